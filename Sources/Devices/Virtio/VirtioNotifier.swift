import Synchronization
import Virtio

/// How a transport tells the driver. Called from any thread, sometimes with a device's lock held: an implementation is
/// short and calls no device.
package protocol VirtioInterrupts: AnyObject, Sendable {
    /// There are used buffers in a queue.
    func queueUsed(_ queue: Int)
    /// The configuration space or the device's status changed.
    func configurationChanged()
    /// The driver reset the device: what is pending is void.
    func reset()
}

/// How to have a queue served. Called from any thread, also with a device's lock held; never calls a device.
package protocol VirtioDoorbell: AnyObject, Sendable {
    /// Asks for a call of the transport's `queueNotified(queue)`, soon, on the thread that serves the device. Several
    /// requests before it make one call.
    func ring(queue: Int)
}

/// What a device tells its driver by, from any thread. It knows the device's life but not the device.
package final class VirtioNotifier: Sendable {
    private let interrupts: any VirtioInterrupts
    private let doorbell: any VirtioDoorbell
    private let report: @Sendable (VirtioFailure) -> Void
    /// Of each queue.
    let counters: [QueueCounters]
    /// DRIVER_OK is set, and no reset has begun.
    private let isLive = Atomic<Bool>(false)
    private let isBroken = Atomic<Bool>(false)

    /// - Parameter report: hears why a device needs a reset, once until the driver resets it.
    init(
        interrupts: any VirtioInterrupts, doorbell: any VirtioDoorbell, counters: [QueueCounters],
        report: @escaping @Sendable (VirtioFailure) -> Void
    ) {
        self.interrupts = interrupts
        self.doorbell = doorbell
        self.counters = counters
        self.report = report
    }

    // MARK: The device's side

    /// Requests were published, and the driver wants to know (`Virtqueue.publish`).
    package func queueUsed(_ queue: Int) {
        guard isLive.load(ordering: .acquiring) else { return }
        counters[queue].interrupts.add()
        interrupts.queueUsed(queue)
    }

    /// The device changed its configuration space.
    package func configurationChanged() {
        if isLive.load(ordering: .acquiring) { interrupts.configurationChanged() }
    }

    /// The device stops here until its driver resets it. The first reason counts, and is reported.
    package func fail(_ failure: VirtioFailure) {
        guard !isBroken.exchange(true, ordering: .acquiringAndReleasing) else { return }
        report(failure)
        configurationChanged()
    }

    /// There is more to do in `queue`: asks for `VirtioDevice.queueNotified` once more, after others had their turn.
    package func serveAgain(queue: Int) {
        if isServing { doorbell.ring(queue: queue) }
    }

    // MARK: The transport's side

    /// Whether the driver's notifications mean anything.
    var isServing: Bool { isLive.load(ordering: .acquiring) && !needsReset }

    /// NEEDS_RESET.
    var needsReset: Bool { isBroken.load(ordering: .acquiring) }

    /// Before the device is activated.
    func start() { isLive.store(true, ordering: .releasing) }

    /// A reset begins.
    func stop() { isLive.store(false, ordering: .releasing) }

    /// The device is quiet: what it told, or tells too late, is void.
    func reset() {
        interrupts.reset()
        isBroken.store(false, ordering: .releasing)
    }

    /// A restored device that had failed; the reason was reported before it was saved.
    func restoreFailure() { isBroken.store(true, ordering: .releasing) }
}
