import Devices
import HostIO
import KVM
import Logging
import Synchronization

/// A virtio device in its window: its doorbells are ioeventfds, which an event loop hears, and its interrupt is an
/// irqfd. So no vCPU waits for the device, nor the device for a vCPU.
final class VirtioSlot: Sendable {
    let window: VirtioWindow
    let transport: VirtioMMIOTransport
    private let machine: MachineHandle
    private let loop: EventLoop
    private let events: DoorbellEvents
    private let interrupt: InterruptEvent
    private let registrations: [EventLoop.Registration]

    /// Connects `device` to the machine.
    /// - Parameters:
    ///   - name: what messages call the device.
    ///   - loop: serves the device.
    ///   - counters: of the device, and of those before it in this slot.
    /// - Throws: `hostFailure`.
    init(
        _ device: any VirtioDevice, name: String, in window: VirtioWindow, machine: MachineHandle, loop: EventLoop,
        counters: DeviceCounters, logger: Logger
    ) throws(VirtualMachineError) {
        do {
            interrupt = try InterruptEvent()
            events = try DoorbellEvents(count: device.maximumQueueSizes.count)
        } catch { throw VirtualMachineError(error) }
        let wasReported = SharedFlag()
        let transport = VirtioMMIOTransport(
            device: device, memory: machine.memory, interrupt: interrupt, doorbell: events,
            counters: counters.queues(device.maximumQueueSizes.count),
            report: {
                Self.report($0, of: name, isFirst: !wasReported.isSet.exchange(true, ordering: .relaxed), logger)
            })
        self.window = window
        self.transport = transport
        self.machine = machine
        self.loop = loop

        try onHost { [interrupt, events] () throws(KVMError) in
            try machine.kvm.connectInterrupt(gsi: window.gsi, to: interrupt.event.descriptor)
            for (queue, event) in events.events.enumerated() {
                try machine.kvm.connect(Self.doorbell(of: queue, in: window), to: event.descriptor)
            }
        }
        var registrations: [EventLoop.Registration] = []
        for (queue, event) in events.events.enumerated() {
            do {
                registrations.append(
                    try loop.register(event.descriptor, for: .readable) { _ in
                        event.clear()
                        transport.queueNotified(queue)
                    })
            } catch {
                for registration in registrations { loop.remove(registration) }
                throw VirtualMachineError(error)
            }
        }
        self.registrations = registrations
    }

    /// A guest can break its device and reset it for ever: the user hears of it once.
    private static func report(_ failure: VirtioFailure, of name: String, isFirst: Bool, _ logger: Logger) {
        logger.log(
            level: isFirst ? .warning : .debug,
            "the guest's driver broke its \(name), which rests until its reset: \(failure)")
    }

    private static func doorbell(of queue: Int, in window: VirtioWindow) -> Doorbell {
        Doorbell(
            .memory(window.address + VirtioMMIOTransport.queueNotifyOffset), width: 4, value: UInt64(queue))
    }

    /// Takes the device out of a machine whose processors have ended; nothing touches guest memory afterwards.
    func powerOff() {
        for registration in registrations { loop.remove(registration) }
        transport.powerOff()
    }
}

private final class SharedFlag: Sendable {
    let isSet = Atomic<Bool>(false)
}

/// The doorbells of a device's queues.
private final class DoorbellEvents: VirtioDoorbell {
    let events: [HostEvent]

    init(count: Int) throws(HostError) {
        var events: [HostEvent] = []
        for _ in 0..<count { events.append(try HostEvent()) }
        self.events = events
    }

    func ring(queue: Int) { events[queue].signal() }
}

/// A device's interrupt.
private final class InterruptEvent: InterruptTrigger {
    let event: HostEvent

    init() throws(HostError) { event = try HostEvent() }

    func trigger() { event.signal() }
}
