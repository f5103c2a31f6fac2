import CLinux

/// The host's clock that never goes back, which its timers follow.
enum MonotonicClock {
    /// Nanoseconds since some time in the past.
    @Sendable static func now() -> UInt64 {
        var time = timespec()
        // SAFETY: the kernel stores the time during the call, which cannot fail for this clock.
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
