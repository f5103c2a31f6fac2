import GuestMemory
import Synchronization
import TestSupport
import Virtio

@testable import Devices

/// An edge-triggered interrupt that counts its edges.
final class EdgeCounter: InterruptTrigger {
    private let count = Atomic<Int>(0)
    var edges: Int { count.load(ordering: .acquiring) }
    func trigger() { count.add(1, ordering: .acquiringAndReleasing) }
}

/// A doorbell that remembers who rang until the test, which is the serving thread, answers.
final class RingLog: VirtioDoorbell {
    private let log = Mutex<[Int]>([])
    func ring(queue: Int) { log.withLock { $0.append(queue) } }

    /// The queues rung for since the last call.
    func take() -> [Int] {
        log.withLock { log in
            defer { log = [] }
            return log
        }
    }
}

/// What a device said that its driver did wrong.
final class FailureLog: Sendable {
    private let log = Mutex<[VirtioFailure]>([])
    var failures: [VirtioFailure] { log.withLock { $0 } }
    func report(_ failure: VirtioFailure) { log.withLock { $0.append(failure) } }
}

/// A device that does nothing but check how it is used: activation and reset by turns, nothing unsound passed on.
final class RecordingVirtioDevice: VirtioDevice {
    struct State {
        var isActive = false
        var activations: [VirtioActivation] = []
        var resets = 0
        var notified: [Int] = []
        var configurationWrites: [UInt64] = []
        var broken: [String] = []
    }

    let type = VirtioDeviceType.block
    let features: VirtioFeatures
    let maximumQueueSizes: [UInt16]
    let configuration: VirtioConfigurationSpace
    private let record = Mutex(State())

    init(
        features: VirtioFeatures = VirtioFeatures(rawValue: 1 << 5 | 1 << 9), queues: [UInt16] = [256, 8],
        configuration: [UInt8] = Array(1...12)
    ) {
        self.features = features
        maximumQueueSizes = queues
        self.configuration = VirtioConfigurationSpace(configuration)
    }

    var state: State { record.withLock { $0 } }

    func activate(_ activation: VirtioActivation) {
        record.withLock { state in
            if state.isActive { state.broken.append("activated twice") }
            state.isActive = true
            state.activations.append(activation)
        }
    }

    func reset() {
        record.withLock { state in
            if !state.isActive { state.broken.append("reset without being active") }
            state.isActive = false
            state.resets += 1
        }
    }

    func queueNotified(_ index: Int) { record.withLock { $0.notified.append(index) } }

    func writeConfiguration(offset: UInt64, width: Int, value: UInt64) {
        record.withLock { $0.configurationWrites.append(value) }
    }

    var queueStates: [VirtqueueState?]? { state.activations.last?.queues }
}

/// A device behind its window, and the driver that writes its registers.
struct MMIOBench<Device: VirtioDevice> {
    let memory: GuestMemory
    let device: Device
    let interrupt = EdgeCounter()
    let rings = RingLog()
    let log = FailureLog()
    let transport: VirtioMMIOTransport

    init(_ device: Device, memorySize: UInt64 = 1 << 20) throws {
        memory = try GuestMemory(size: memorySize)
        self.device = device
        let log = log
        transport = VirtioMMIOTransport(
            device: device, memory: memory, interrupt: interrupt, doorbell: rings, report: { log.report($0) })
    }

    func read(_ register: MMIORegister) -> UInt32 {
        UInt32(transport.read(offset: register.rawValue, width: 4))
    }

    func write(_ register: MMIORegister, _ value: UInt32) {
        transport.write(offset: register.rawValue, width: 4, value: UInt64(value))
    }

    var status: VirtioStatus { VirtioStatus(rawValue: UInt8(truncatingIfNeeded: read(.status))) }

    func setStatus(_ status: VirtioStatus) { write(.status, UInt32(status.rawValue)) }

    var offered: VirtioFeatures {
        write(.deviceFeaturesSelect, 0)
        let low = read(.deviceFeatures)
        write(.deviceFeaturesSelect, 1)
        return VirtioFeatures(rawValue: UInt64(read(.deviceFeatures)) << 32 | UInt64(low))
    }

    func accept(_ features: VirtioFeatures) {
        write(.driverFeaturesSelect, 0)
        write(.driverFeatures, UInt32(truncatingIfNeeded: features.rawValue))
        write(.driverFeaturesSelect, 1)
        write(.driverFeatures, UInt32(truncatingIfNeeded: features.rawValue >> 32))
    }

    /// Reset to FEATURES_OK, as 3.1.1 orders it.
    func negotiate(_ features: VirtioFeatures = .common) {
        setStatus([])
        setStatus(.acknowledge)
        setStatus([.acknowledge, .driver])
        accept(features)
        setStatus([.acknowledge, .driver, .featuresOK])
    }

    func setUp(queue index: UInt32, _ state: VirtqueueState) {
        write(.queueSelect, index)
        write(.queueSize, UInt32(state.size))
        for (low, high, address) in [
            (MMIORegister.descriptorTableLow, MMIORegister.descriptorTableHigh, state.descriptorTable),
            (.driverAreaLow, .driverAreaHigh, state.availableRing), (.deviceAreaLow, .deviceAreaHigh, state.usedRing),
        ] {
            write(low, UInt32(truncatingIfNeeded: address.rawValue))
            write(high, UInt32(truncatingIfNeeded: address.rawValue >> 32))
        }
        write(.queueReady, 1)
    }

    func start() { setStatus([.acknowledge, .driver, .featuresOK, .driverOK]) }

    /// Where the queue `index` of a test lies: 64 KiB each from 64 KiB up.
    func place(queue index: UInt64, size: UInt16, _ features: VirtioFeatures = .common) -> VirtqueueState {
        let base = 0x1_0000 * (index + 1)
        return VirtqueueState(
            size: size, descriptorTable: GuestAddress(base), availableRing: GuestAddress(base + 0x4000),
            usedRing: GuestAddress(base + 0x8000), usesIndirectDescriptors: features.contains(.indirectDescriptors),
            usesEventIndex: features.contains(.eventIndex))
    }

    /// The device, negotiated and started, and the drivers of its queues, each with `size` entries at most.
    func startWithDrivers(_ features: VirtioFeatures = .common, size: UInt16 = 8) throws -> [DriverModel] {
        negotiate(features)
        let drivers = device.maximumQueueSizes.enumerated().map { index, maximum in
            let state = place(queue: UInt64(index), size: min(size, maximum), features)
            setUp(queue: UInt32(index), state)
            return DriverModel(
                memory: memory, state: state, indirectTables: state.descriptorTable.rawValue + 0xc000)
        }
        start()
        return drivers
    }

    /// Serves the device until nobody rings any more.
    func serve() {
        while true {
            let queues = rings.take()
            if queues.isEmpty { return }
            for queue in Set(queues).sorted() { transport.queueNotified(queue) }
        }
    }

    /// Makes what a driver added visible, notifies if the device wants it, and serves.
    func run(_ driver: inout DriverModel, queue: UInt32 = 0) throws {
        if try driver.publish() { write(.queueNotify, queue) }
        serve()
    }
}

/// The driver expected the ring to have room.
struct NoRoom: Error {}
