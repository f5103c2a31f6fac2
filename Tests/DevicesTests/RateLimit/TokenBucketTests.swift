import TestSupport
import Testing

@testable import Devices

@Suite struct TokenBucketTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func aPauseFillsTheBucketAndNoMore() {
        var bucket = TokenBucket(rate: 100, burst: 10, now: 0)
        #expect(bucket.delay(for: 10, now: 0) == 0)
        bucket.take(10, now: 0)
        #expect(bucket.delay(for: 1, now: 0) == Self.second / 100)
        #expect(bucket.delay(for: 10, now: Self.second / 20) == Self.second / 20)
        #expect(bucket.amount(now: Self.second) == 10)
        #expect(bucket.amount(now: 100 * Self.second) == 10)
    }

    @Test func whatIsLargerThanTheBucketGoesWhenItIsFullAndIsPaidBack() {
        var bucket = TokenBucket(rate: 100, burst: 10, now: 0)
        bucket.take(1, now: 0)
        #expect(bucket.delay(for: 1000, now: 0) == Self.second / 100)
        bucket.take(1000, now: Self.second / 100)
        #expect(bucket.amount(now: Self.second / 100) == -990)
        #expect(bucket.delay(for: 1, now: Self.second / 100) == Self.second / 100 * 991)
    }

    @Test func aClockThatGoesBackBringsNothing() {
        var bucket = TokenBucket(rate: 100, burst: 10, now: Self.second)
        bucket.take(10, now: Self.second)
        #expect(bucket.amount(now: 0) == 0)
        #expect(bucket.amount(now: Self.second) == 0)
        #expect(bucket.amount(now: Self.second + Self.second / 100) == 1)
    }

    @Test(arguments: [(1, 1), (UInt64.max, UInt64.max), (1, .max), (.max, 1)] as [(UInt64, UInt64)])
    func noRateIsTooSmallOrTooLarge(_ rate: UInt64, _ burst: UInt64) {
        var bucket = TokenBucket(rate: rate, burst: burst, now: 0)
        #expect(bucket.delay(for: .max, now: 0) == 0)
        for _ in 0..<100 { bucket.take(.max, now: 0) }
        #expect(bucket.amount(now: 0) == Int128(burst) - 100 * Int128(UInt64.max))
        #expect(bucket.delay(for: 1, now: 0) > 0)
        // It comes back, unless that takes longer than a clock can tell.
        #expect((bucket.delay(for: 1, now: .max) == 0) == (rate > 1))
        #expect(rate == 1 || bucket.amount(now: .max) == Int128(burst))
    }

    /// Against the definition: what went through in any span, and that who waits as long as he is told may go.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func noSpanSeesMoreThanItsShare(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let rate = UInt64(1) << UInt64.random(in: 0..<40, using: &random) + UInt64.random(in: 0..<100, using: &random)
        let burst = max(1, rate / UInt64.random(in: 1...1000, using: &random))
        let largest = seed % 2 == 0 ? burst : burst * 4
        let start = UInt64.random(in: 0...1 << 60, using: &random)
        var bucket = TokenBucket(rate: rate, burst: burst, now: start)
        var now = start
        var taken: [(time: UInt64, amount: UInt64)] = []
        for _ in 0..<400 {
            let amount = UInt64.random(in: 1...largest, using: &random)
            let delay = bucket.delay(for: amount, now: now)
            if delay > 0 {
                // Not a nanosecond too long.
                var copy = bucket
                #expect(copy.delay(for: amount, now: now + delay - 1) > 0)
                now += delay
                #expect(bucket.delay(for: amount, now: now) == 0)
            }
            bucket.take(amount, now: now)
            taken.append((now, amount))
            if Int.random(in: 0..<10, using: &random) == 0 {
                now += UInt64.random(in: 0...Self.second, using: &random)
            }
        }
        for first in stride(from: 0, to: taken.count, by: 7) {
            var sum: UInt128 = 0
            for (time, amount) in taken[first...] {
                sum += UInt128(amount)
                let share = UInt128(rate) * UInt128(time - taken[first].time) / UInt128(Self.second)
                // The last one may be larger than the bucket: what was before it leaves the bucket full.
                let excess = amount > burst ? UInt128(amount - burst) : 0
                #expect(sum <= share + 1 + UInt128(burst) + excess)
            }
        }
    }
}
