/// The difference between a guest's clock and the host's.
struct TimeOffset: Equatable, Sendable {
    /// May be negative.
    var seconds: Int64 = 0
    /// Below 1,000,000,000; always added.
    var nanoseconds: UInt32 = 0

    /// The guest's time, kept within what a calendar can show.
    func applied(to host: WallTime) -> WallTime {
        var seconds = host.seconds.addingSaturated(self.seconds)
        // No overflow: both are below 10^9.
        var nanoseconds = host.nanoseconds + self.nanoseconds
        if nanoseconds >= 1_000_000_000 {
            nanoseconds -= 1_000_000_000
            seconds = seconds.addingSaturated(1)
        }
        let range = CalendarTime.secondsRange
        return WallTime(
            seconds: min(max(seconds, range.lowerBound), range.upperBound), nanoseconds: nanoseconds)
    }

    /// Makes the guest's second `new` now, at the same fraction of a second.
    mutating func setSeconds(_ new: Int64, now host: WallTime) {
        let carry: Int64 = host.nanoseconds + nanoseconds >= 1_000_000_000 ? 1 : 0
        seconds = new.addingSaturated(-carry).subtractingSaturated(host.seconds)
    }

    /// Makes the guest's fraction of a second `new` now (below 1,000,000,000).
    mutating func setFraction(_ new: UInt32, now host: WallTime) {
        nanoseconds = (new + 1_000_000_000 - host.nanoseconds) % 1_000_000_000
    }
}

extension Int64 {
    fileprivate func addingSaturated(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    fileprivate func subtractingSaturated(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : difference
    }
}
