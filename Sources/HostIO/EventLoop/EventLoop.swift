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
        precondition(name.utf8.count <= 15)
        self.name = name
        core = try EventLoopCore()
        if startsNow { try start() }
    }

    /// Starts the thread, unless it was started or the loop stopped.
    package func start() throws(HostError) {
        let errno = core.thread.withLock { thread -> Int32 in
            guard thread.id == nil, !thread.isTakenOver else { return 0 }
            var id = pthread_t()
            // The thread keeps the core, not the loop: dropping the loop ends the thread.
            let context = unsafe Unmanaged.passRetained(core)
            // SAFETY: the body takes over the one reference that was passed.
            let result = unsafe caisson_start_thread(
                &id, name,
                { context in
                    guard let context = unsafe context else { return nil }
                    unsafe Unmanaged<EventLoopCore>.fromOpaque(context).takeRetainedValue().run()
                    return nil
                }, context.toOpaque())
            if result == 0 { thread.id = id } else { unsafe context.release() }
            return result
        }
        guard errno == 0 else { throw HostError("start", "thread \(name)", Errno(rawValue: -errno)) }
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
        core.thread.withLock { thread in thread.id.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    /// Runs what was submitted before, and ends the thread. On the loop itself it does not wait for the end.
    package func stop() {
        let isCurrent = isCurrent
        core.requestStop()
        let (isFirst, thread) = core.thread.withLock { thread in
            defer { thread.isTakenOver = true }
            return (!thread.isTakenOver, thread.id)
        }
        // Taken over once, so joined once.
        guard isFirst else { return }
        guard let thread else { return core.run() }
        if isCurrent {
            pthread_detach(thread)
        } else {
            _ = pthread_join(thread, nil)
            core.thread.withLock { $0.id = nil }
        }
    }
}
