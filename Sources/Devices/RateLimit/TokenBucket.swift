/// What may be spent of something that comes at a steady rate: so much a second, and what was not used is kept up to a
/// limit.
///
/// What goes through in any span of `t` seconds is at most `rate * t + burst`, and one thing larger than the bucket: that
/// goes when the bucket is full, which then owes the rest. Times are nanoseconds of a clock that never goes back.
/// Amounts are exact, for any rate and time: they are counted in billionths.
package struct TokenBucket: Equatable, Sendable {
    private static let unit: Int128 = 1_000_000_000

    private let rate: UInt64
    private let capacity: Int128
    /// Below zero it is what is owed.
    private var balance: Int128
    private var last: UInt64

    /// A full bucket.
    /// - Parameters:
    ///   - rate: what comes in each second, at least 1.
    ///   - burst: what the bucket holds, at least 1.
    package init(rate: UInt64, burst: UInt64, now: UInt64) {
        precondition(rate > 0 && burst > 0)
        self.rate = rate
        // Below 2^94.
        capacity = Int128(burst) * Self.unit
        balance = capacity
        last = now
    }

    /// Nanoseconds until `take(amount)` is allowed; 0 if it is now. Longer than 64 bits can tell is as long as they can.
    package mutating func delay(for amount: UInt64, now: UInt64) -> UInt64 {
        fill(now)
        let missing = min(Int128(amount) * Self.unit, capacity) - balance
        guard missing > 0 else { return 0 }
        let rate = Int128(rate)
        return UInt64(clamping: (missing + rate - 1) / rate)
    }

    /// Takes `amount` out, whether it is there or not; what is not there is owed.
    package mutating func take(_ amount: UInt64, now: UInt64) {
        fill(now)
        // Who takes without asking may owe ever more: no more than 2^126, which nothing brings back anyway.
        balance = max(balance - Int128(amount) * Self.unit, -(1 << 126))
    }

    /// What is there now, in whole amounts; below zero it is owed.
    package mutating func amount(now: UInt64) -> Int128 {
        fill(now)
        return balance >= 0 ? balance / Self.unit : -((-balance + Self.unit - 1) / Self.unit)
    }

    private mutating func fill(_ now: UInt64) {
        guard now > last else { return }
        // Below 2^128, and what is kept of it is at most what the bucket lacks.
        let come = UInt128(rate) * UInt128(now - last)
        balance += Int128(min(come, UInt128(capacity - balance)))
        last = now
    }
}
