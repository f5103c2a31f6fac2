/// A time of day: seconds since 1970-01-01 00:00:00 UTC without leap seconds, and nanoseconds below 1,000,000,000.
package struct WallTime: Equatable, Comparable, Sendable, Codable {
    package let seconds: Int64
    package let nanoseconds: UInt32

    package init(seconds: Int64, nanoseconds: UInt32 = 0) {
        precondition(nanoseconds < 1_000_000_000)
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    package static func < (left: WallTime, right: WallTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}
