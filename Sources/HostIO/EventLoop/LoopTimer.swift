import CLinux
import HostResources
import SystemPackage

/// Calls its handler on an event loop once the time has come, by `CLOCK_MONOTONIC`.
package final class LoopTimer: Sendable {
    private let loop: EventLoop
    private let timer: SharedFileDescriptor
    private let registration: EventLoop.Registration

    /// - Parameter handler: called on the loop until the timer is let go of.
    package init(on loop: EventLoop, handler: @escaping @Sendable () -> Void) throws(HostError) {
        let raw = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))
        guard raw >= 0 else { throw HostError("create", "a timer", .current) }
        let timer = SharedFileDescriptor(OwnedFileDescriptor(owning: raw))
        registration = try loop.register(raw, for: .readable) { _ in
            var expirations: UInt64 = 0
            // Nothing is there to read when the timer was set anew meanwhile.
            // SAFETY: a timerfd gives 8 bytes.
            if unsafe caisson_read(timer.rawValue, &expirations, 8) == 8 { handler() }
        }
        self.loop = loop
        self.timer = timer
    }

    deinit { loop.remove(registration) }

    /// Asks for one call, `nanoseconds` from now, instead of any asked for before; `nil` asks for none. From any thread.
    package func schedule(after nanoseconds: UInt64?) {
        var specification = itimerspec()
        if let nanoseconds {
            // Zero would disarm the timer.
            let nanoseconds = max(1, nanoseconds)
            specification.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
            specification.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        }
        // SAFETY: the kernel reads `specification` during the call.
        let result = unsafe timerfd_settime(timer.rawValue, 0, &specification, nil)
        precondition(result == 0)
    }
}
