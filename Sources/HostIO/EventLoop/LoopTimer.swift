import CLinux
import HostResources
import Synchronization
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

    /// Asks for a call, `nanoseconds` from now, instead of any asked for before; `nil` asks for none. From any thread.
    /// - Parameter interval: nanoseconds between further calls; without it there is one. Calls that the loop is late for are one.
    package func schedule(after nanoseconds: UInt64?, every interval: UInt64? = nil) {
        var specification = itimerspec()
        if let nanoseconds {
            // Zero would disarm the timer.
            specification.it_value = Self.time(max(1, nanoseconds))
            if let interval { specification.it_interval = Self.time(interval) }
        }
        // SAFETY: the kernel reads `specification` during the call.
        let result = unsafe timerfd_settime(timer.rawValue, 0, &specification, nil)
        precondition(result == 0)
    }

    private static func time(_ nanoseconds: UInt64) -> timespec {
        timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }
}

extension EventLoop {
    /// Runs `work` on the loop, once, after `time`, at most 292 years. From any thread; after `stop` it is dropped.
    package func submit(after time: Duration, _ work: @escaping @Sendable () -> Void) throws(HostError) {
        // The timer lasts until then.
        final class Keeper: Sendable {
            let timer = Mutex<LoopTimer?>(nil)
        }
        let keeper = Keeper()
        let timer = try LoopTimer(on: self) { if keeper.timer.withLock({ $0.take() }) != nil { work() } }
        keeper.timer.withLock { $0 = timer }
        let (seconds, attoseconds) = max(.zero, time).components
        timer.schedule(after: UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000))
    }
}
