import CLinux
import SystemPackage

/// A thread of this process. Signals meant for the process are blocked in it, so that they go to the main thread.
package struct HostThread: Sendable {
    /// Where a thread begins.
    package enum Place: Sendable {
        /// Where the kernel likes, which may be behind the thread that starts it, though other processors have nothing to do.
        case anywhere
        /// On another processor than the caller's, if it may use one. It may go anywhere afterwards.
        case elsewhere
    }

    private let id: pthread_t

    /// Starts a thread that runs `body`. It is to be joined or detached, once.
    /// - Parameter name: at most 15 bytes.
    /// - Throws: where the process or the host may have no more threads.
    package init(
        name: String, at place: Place = .anywhere, _ body: @escaping @Sendable () -> Void
    ) throws(HostError) {
        precondition(name.utf8.count <= 15)
        var id = pthread_t()
        let context = unsafe Unmanaged.passRetained(Body(name, body))
        // SAFETY: the thread takes over the one reference that is passed.
        let result = unsafe caisson_start_thread(
            &id, place == .elsewhere ? 1 : 0,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            unsafe context.release()
            let reason = result == -EAGAIN ? ", as a limit is reached (ulimit -u, or a control group's pids.max)" : ""
            throw HostError("start", "thread \(name)\(reason)", Errno(rawValue: -result))
        }
        self.id = id
    }

    private init(_ id: pthread_t) { self.id = id }

    /// The calling thread, however it was started.
    package static var current: HostThread { HostThread(pthread_self()) }

    package var isCurrent: Bool { pthread_equal(id, pthread_self()) != 0 }

    /// Waits for its end.
    package func join() { _ = pthread_join(id, nil) }

    /// Has its end not waited for.
    package func detach() { _ = pthread_detach(id) }

    private final class Body: Sendable {
        private let name: String
        private let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            // SAFETY: the name is read during the call.
            unsafe caisson_name_thread(name)
            body()
        }
    }
}
