import CLinux
import Synchronization
import SystemPackage

/// One thread that waits for descriptors and work, and calls their handlers one at a time.
///
/// Regular files and other descriptors that cannot be waited for count as always ready.
package final class EventLoop: Sendable {
    /// What a descriptor is, or is to be waited for: epoll's events.
    package struct Readiness: OptionSet, Sendable, Hashable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let readable = Self(rawValue: 0x001)
        package static let writable = Self(rawValue: 0x004)
        /// Told with any interest.
        package static let error = Self(rawValue: 0x008)
        /// Told with any interest.
        package static let hangUp = Self(rawValue: 0x010)

        /// What to wait for to read, to write, or both.
        package init(readable: Bool, writable: Bool) {
            self = readable ? .readable : []
            if writable { insert(.writable) }
        }
    }

    /// One registered descriptor.
    package struct Registration: Hashable, Sendable {
        let id: UInt64
    }

    private let core: EventLoopCore

    private let name: String

    /// - Parameters:
    ///   - name: the thread's, at most 15 bytes.
    ///   - startsNow: otherwise `start()` does; until then registered descriptors and work wait.
    package init(name: String, startsNow: Bool = true) throws(HostError) {
        self.name = name
        core = try EventLoopCore()
        if startsNow { try start() }
    }

    /// Starts the thread, unless the loop has one or was stopped.
    package func start() throws(HostError) {
        try core.thread.withLock { thread throws(HostError) in
            guard thread.own == nil, !thread.isTakenOver else { return }
            // The thread keeps the core, not the loop: dropping the loop ends the thread.
            thread.own = try HostThread(name: name) { [core] in core.run(until: { false }) }
        }
    }

    /// Makes the caller the loop's thread, which was not started, until `isDone`, which is asked after whatever the loop did, or until
    /// the loop is stopped.
    package func run(until isDone: () -> Bool) {
        core.thread.withLock { thread in
            precondition(thread.own == nil, "a loop has one thread")
            (thread.own, thread.isCallers) = (.current, true)
        }
        core.run(until: isDone)
        core.thread.withLock { thread in (thread.own, thread.isCallers) = (nil, false) }
    }

    deinit { stop() }

    /// Calls `handler` on the loop whenever `descriptor` is ready as asked, until removed. From any thread.
    /// - Parameter interest: without any, the descriptor is not waited for, not even for a hang-up.
    package func register(
        _ descriptor: Int32, for interest: Readiness, handler: @escaping @Sendable (Readiness) -> Void
    ) throws(HostError) -> Registration {
        try core.register(descriptor, for: interest, handler: handler)
    }

    /// Changes what a registered descriptor is waited for. From any thread.
    package func setInterest(_ interest: Readiness, of registration: Registration) {
        core.setInterest(interest, of: registration)
    }

    /// Leaves a registered descriptor alone for a while, as what it is ready for cannot be done now. From any thread.
    package func pause(_ registration: Registration, for time: Duration) { core.pause(registration, for: time) }

    /// Ends a registration, before its descriptor is closed. From any thread; elsewhere than on the loop, the handler
    /// may be running a last time.
    package func remove(_ registration: Registration) { core.remove(registration) }

    /// Runs `work` on the loop, after what was submitted before. From any thread; after `stop` it is dropped.
    package func submit(_ work: @escaping @Sendable () -> Void) { core.submit(work) }

    /// Whether the caller is on the loop.
    package var isCurrent: Bool {
        core.thread.withLock { $0.own?.isCurrent ?? false }
    }

    /// Runs what was submitted before, and ends the thread. On the loop itself, and where the thread is a caller's, it does not
    /// wait for that.
    package func stop() {
        let isCurrent = isCurrent
        core.requestStop()
        let (isFirst, thread) = core.thread.withLock { thread in
            defer { thread.isTakenOver = true }
            return (!thread.isTakenOver, thread)
        }
        // Taken over once, so joined once.
        guard isFirst, !thread.isCallers else { return }
        guard let own = thread.own else { return core.run(until: { false }) }
        if isCurrent {
            own.detach()
        } else {
            own.join()
            core.thread.withLock { $0.own = nil }
        }
    }
}
