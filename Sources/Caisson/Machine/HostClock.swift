import CLinux

/// The host's clocks, in nanoseconds.
enum HostClock {
    /// Since some time in the past; it never goes back, and timers follow it.
    @Sendable static func now() -> UInt64 { read(CLOCK_MONOTONIC) }

    /// Since 1970.
    static var timeOfDay: UInt64 { read(CLOCK_REALTIME) }

    /// CPU time of the process.
    static var processCPUTime: UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        // SAFETY: the kernel stores the time during the call, which cannot fail for these clocks.
        _ = unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
