import GuestMemory
import Synchronization
import Virtio

/// A device's life as its driver controls it, whatever the transport: status, features, queues, reset.
///
/// Any vCPU may write any register at any time. The registers have a lock of their own, held for a few instructions.
/// What calls the device, activation and reset, is done by one vCPU at a time, under a second lock: the vCPU that
/// writes the status returns to its guest when it is done. So a driver that does not look whether its reset is over, as
/// Linux's for MMIO, still finds every request gone; to the other vCPUs the status shows the device's old life until
/// then (virtio 1.2, 2.4.1). The device's own threads take neither lock.
final class VirtioControl: Sendable {
    let device: any VirtioDevice
    let memory: GuestMemory
    let notifier: VirtioNotifier
    let registers: Mutex<VirtioRegisters>
    /// Whether the device is activated: the second lock.
    let isActive = Mutex<Bool>(false)

    /// - Parameters:
    ///   - counters: of each of the device's queues.
    ///   - report: hears why the device needs a reset, once until the driver resets it; from any thread, sometimes with
    ///     the device's lock held.
    init(
        device: any VirtioDevice, memory: GuestMemory, interrupts: any VirtioInterrupts,
        doorbell: any VirtioDoorbell, counters: [QueueCounters], report: @escaping @Sendable (VirtioFailure) -> Void
    ) {
        precondition(device.maximumQueueSizes.allSatisfy(VirtqueueState.isValid(size:)))
        precondition(counters.count == device.maximumQueueSizes.count)
        self.device = device
        self.memory = memory
        notifier = VirtioNotifier(interrupts: interrupts, doorbell: doorbell, counters: counters, report: report)
        registers = Mutex(
            VirtioRegisters(
                offered: device.features.union(.common), maximumQueueSizes: device.maximumQueueSizes))
    }

    // MARK: Status

    var status: VirtioStatus {
        let status = registers.withLock { $0.status }
        return notifier.needsReset ? status.union(.needsReset) : status
    }

    /// A write to the status; returns when the device has done what it asks for.
    func writeStatus(_ value: UInt32) {
        isActive.withLock { isActive in
            switch registers.withLock({ $0.writeStatus(value) }) {
            case .none: break
            case .fail(let failure): notifier.fail(failure)
            case .activate: isActive = activate()
            case .reset:
                reset(isActive)
                isActive = false
            }
        }
    }

    // Only with `isActive` held, here and below.
    func activate() -> Bool {
        guard !notifier.needsReset else { return false }
        let (features, queues) = registers.withLock { ($0.driverFeatures, $0.queueStates) }
        // First, since the device may have something to tell at once.
        notifier.start()
        device.activate(
            VirtioActivation(features: features, queues: queues, memory: memory, notifier: notifier))
        return true
    }

    private func reset(_ isActive: Bool) {
        notifier.stop()
        if isActive { device.reset() }
        notifier.reset()
        registers.withLock { $0.reset() }
    }

    // MARK: Features

    func offeredFeatures(word: UInt32) -> UInt32 { registers.withLock { $0.offeredFeatures(word: word) } }

    func setDriverFeatures(word: UInt32, _ value: UInt32) {
        registers.withLock { $0.setDriverFeatures(word: word, value) }
    }

    // MARK: Queues

    /// The largest size of queue `select`; 0 if there is none.
    func maximumQueueSize(_ select: UInt32) -> UInt16 {
        registers.withLock { registers in registers.queue(select).map { registers.maximumQueueSizes[$0] } ?? 0 }
    }

    func setQueueSize(_ select: UInt32, _ value: UInt32) {
        if let failure = registers.withLock({ $0.setQueueSize(select, value) }) { notifier.fail(failure) }
    }

    func setQueueAddress(
        _ area: VirtqueueError.Area, _ half: VirtioRegisters.Half, of select: UInt32, _ value: UInt32
    ) {
        registers.withLock { $0.setAddress(area, half, of: select, value) }
    }

    func isQueueReady(_ select: UInt32) -> Bool {
        registers.withLock { registers in registers.queue(select).map { registers.queues[$0].isReady } ?? false }
    }

    func setQueueReady(_ select: UInt32, _ value: UInt32) {
        if let failure = registers.withLock({ $0.setQueueReady(select, value, in: memory) }) {
            notifier.fail(failure)
        }
    }

    // MARK: Notifications

    /// The driver's notification, as a register: any value, on any vCPU's thread.
    func notify(_ queue: UInt32) {
        if queue < device.maximumQueueSizes.count { notifier.serveAgain(queue: Int(queue)) }
    }

    /// Has the device serve queue `index`; on the thread that serves the device.
    func queueNotified(_ index: Int) {
        precondition(device.maximumQueueSizes.indices.contains(index))
        notifier.counters[index].notifications.add()
        if notifier.isServing { device.queueNotified(index) }
    }
}
