package import GuestMemory
import Synchronization
package import Virtio

/// A virtio device behind memory-mapped registers, version 2 (virtio 1.2, section 4.2), with one edge-triggered
/// interrupt of its own.
///
/// vCPUs access the registers, any of them at any time; the thread that serves the device calls `queueNotified`. An
/// access allocates nothing, but for QueueReady and Status, which set the device up. Only a write to Status waits, for
/// activation and reset. Registers are accessed by 32 bits, aligned; any other access reads 0 and writes nothing. So do
/// registers that there are none of, or that go the other way.
package final class VirtioMMIOTransport: MMIODevice {
    /// Bytes of registers, the configuration space behind them included.
    package static let windowSize: UInt64 = 0x1000

    private static let magic: UInt32 = 0x7472_6976
    private static let version: UInt32 = 2
    /// "CSSN".
    private static let vendor: UInt32 = 0x4e53_5343

    let control: VirtioControl
    let interrupt: MMIOInterrupt
    // A driver selects and uses on one processor at a time; if it does not, it gets what it selected last.
    let deviceFeaturesSelect = Atomic<UInt32>(0)
    let driverFeaturesSelect = Atomic<UInt32>(0)
    let queueSelect = Atomic<UInt32>(0)

    /// A device after power-on.
    ///
    /// - Parameters:
    ///   - device: nobody else's.
    ///   - memory: where its queues and buffers are.
    ///   - interrupt: raises the device's interrupt.
    ///   - doorbell: has the device served, by a call of `queueNotified`.
    ///   - counters: of each of the device's queues, nobody else's at the same time; without them, new ones.
    ///   - report: hears why the device needs a reset, once until the driver resets it; from any thread, sometimes with
    ///     the device's lock held.
    package init(
        device: any VirtioDevice, memory: GuestMemory, interrupt: any InterruptTrigger,
        doorbell: any VirtioDoorbell, counters: [QueueCounters]? = nil,
        report: @escaping @Sendable (VirtioFailure) -> Void
    ) {
        self.interrupt = MMIOInterrupt(line: interrupt)
        control = VirtioControl(
            device: device, memory: memory, interrupts: self.interrupt, doorbell: doorbell,
            counters: counters ?? device.maximumQueueSizes.map { _ in QueueCounters() }, report: report)
    }

    /// Where in the window a guest rings for a queue, by writing its number, 32 bits: for ioeventfds.
    package static var queueNotifyOffset: UInt64 { MMIORegister.queueNotify.rawValue }

    /// The number of the device's queues.
    package var queueCount: Int { control.device.maximumQueueSizes.count }

    /// Has the device serve queue `index`, below `queueCount`. Called on the thread that serves the device, for each
    /// ring of its doorbell; a call without cause does no harm.
    package func queueNotified(_ index: Int) { control.queueNotified(index) }

    /// Resets the device, as its driver can: when the call returns, nothing touches guest memory any more.
    package func powerOff() { control.writeStatus(0) }

    // MARK: The guest's side

    package func read(offset: UInt64, width: Int) -> UInt64 {
        if offset >= MMIORegister.configuration {
            return control.device.configuration.read(offset: offset - MMIORegister.configuration, width: width)
        }
        guard width == 4, let register = MMIORegister(rawValue: offset) else { return 0 }
        return UInt64(read(register))
    }

    private func read(_ register: MMIORegister) -> UInt32 {
        switch register {
        case .magic: Self.magic
        case .version: Self.version
        case .deviceID: control.device.type.rawValue
        case .vendorID: Self.vendor
        case .deviceFeatures: control.offeredFeatures(word: deviceFeaturesSelect.load(ordering: .relaxed))
        case .queueSizeMaximum: UInt32(control.maximumQueueSize(selectedQueue))
        case .queueReady: control.isQueueReady(selectedQueue) ? 1 : 0
        case .interruptStatus: interrupt.status
        case .status: UInt32(control.status.rawValue)
        case .configurationGeneration: control.device.configuration.generation
        // There is no shared memory: a length of all ones says so.
        case .sharedMemoryLengthLow, .sharedMemoryLengthHigh, .sharedMemoryBaseLow, .sharedMemoryBaseHigh: .max
        case .deviceFeaturesSelect, .driverFeatures, .driverFeaturesSelect, .queueSelect, .queueSize, .queueNotify,
            .interruptAcknowledge, .descriptorTableLow, .descriptorTableHigh, .driverAreaLow, .driverAreaHigh,
            .deviceAreaLow, .deviceAreaHigh:
            0
        }
    }

    package func write(offset: UInt64, width: Int, value: UInt64) {
        if offset >= MMIORegister.configuration {
            return control.device.writeConfiguration(
                offset: offset - MMIORegister.configuration, width: width, value: value)
        }
        guard width == 4, let register = MMIORegister(rawValue: offset) else { return }
        write(register, UInt32(truncatingIfNeeded: value))
    }

    private func write(_ register: MMIORegister, _ value: UInt32) {
        switch register {
        case .queueNotify: control.notify(value)
        case .interruptAcknowledge: interrupt.acknowledge(value)
        case .deviceFeaturesSelect: deviceFeaturesSelect.store(value, ordering: .relaxed)
        case .driverFeaturesSelect: driverFeaturesSelect.store(value, ordering: .relaxed)
        case .driverFeatures:
            control.setDriverFeatures(word: driverFeaturesSelect.load(ordering: .relaxed), value)
        case .queueSelect: queueSelect.store(value, ordering: .relaxed)
        case .queueSize: control.setQueueSize(selectedQueue, value)
        case .descriptorTableLow: control.setQueueAddress(.descriptorTable, .low, of: selectedQueue, value)
        case .descriptorTableHigh: control.setQueueAddress(.descriptorTable, .high, of: selectedQueue, value)
        case .driverAreaLow: control.setQueueAddress(.availableRing, .low, of: selectedQueue, value)
        case .driverAreaHigh: control.setQueueAddress(.availableRing, .high, of: selectedQueue, value)
        case .deviceAreaLow: control.setQueueAddress(.usedRing, .low, of: selectedQueue, value)
        case .deviceAreaHigh: control.setQueueAddress(.usedRing, .high, of: selectedQueue, value)
        case .queueReady: control.setQueueReady(selectedQueue, value)
        case .status: control.writeStatus(value)
        case .magic, .version, .deviceID, .vendorID, .deviceFeatures, .queueSizeMaximum, .interruptStatus,
            .sharedMemoryLengthLow, .sharedMemoryLengthHigh, .sharedMemoryBaseLow, .sharedMemoryBaseHigh,
            .configurationGeneration:
            break
        }
    }

    private var selectedQueue: UInt32 { queueSelect.load(ordering: .relaxed) }
}
