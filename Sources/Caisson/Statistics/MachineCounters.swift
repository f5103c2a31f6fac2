import Synchronization
import Virtio

/// What counts a machine's doings, from its start on and after its end.
struct MachineCounters: Sendable {
    /// By `HostClock`.
    let start = HostClock.now()
    let processors: [ProcessorCounters]
    /// None before the machine's host side is open.
    private var devices: [(name: String, counters: DeviceCounters)] = []

    init(processorCount: Int) { processors = (0..<processorCount).map { _ in ProcessorCounters() } }

    mutating func setDevices(_ devices: HostDevices) {
        self.devices = devices.items.map { ($0.name, $0.counters) }
    }

    /// Now, without the memory.
    var statistics: VirtualMachineStatistics {
        VirtualMachineStatistics(
            uptime: .nanoseconds(Int64(clamping: HostClock.now() - start)),
            processors: processors.map(\.statistics),
            devices: devices.map { device in
                .init(name: device.name, queues: device.counters.queues.map(VirtualMachineStatistics.Queue.init))
            },
            processCPUTime: .nanoseconds(Int64(clamping: HostClock.processCPUTime)))
    }
}

/// What went through a virtio device's queues, over its machine's resets.
final class DeviceCounters: Sendable {
    private let made = Mutex<[QueueCounters]>([])

    /// The counters of a device with `count` queues: always as many.
    func queues(_ count: Int) -> [QueueCounters] {
        made.withLock { made in
            if made.isEmpty { made = (0..<count).map { _ in QueueCounters() } }
            return made
        }
    }

    /// None before the first device was made.
    var queues: [QueueCounters] { made.withLock { $0 } }
}

extension VirtualMachineStatistics.Queue {
    init(_ counters: QueueCounters) {
        self.init()
        notifications = counters.notifications.value
        requests = counters.requests.value
        bytes = counters.bytes.value
        interrupts = counters.interrupts.value
    }
}
