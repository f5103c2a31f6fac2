/// Intervals by the percentile bootstrap (Efron, 1979): what a statistic is in many samples drawn from the sample.
///
/// The numbers are drawn from a seed, and of the sorted samples: the same samples have the same interval, in whatever order they came.
package struct Bootstrap: Sendable {
    package static let standard = Bootstrap()

    /// How many samples are drawn.
    package var resamples = 2000
    /// The part of the statistic's values that the interval holds.
    package var confidence = 0.95
    package var seed: UInt64 = 0x0063_6169_7373_6f6e

    package init() {}

    /// Where the median lies.
    package func interval(ofMedianOf samples: Samples) -> Interval {
        var generator = SplitMix64(state: seed)
        var drawn = samples.sorted
        return interval {
            for index in drawn.indices { drawn[index] = samples.sorted[generator.index(below: drawn.count)] }
            return Self.median(of: &drawn)
        }
    }

    /// Where the ratio of two medians lies, of samples taken in the same rounds: rounds are drawn, so that what a round was like
    /// for both stays together.
    ///
    /// Nil where the numbers of rounds differ, or where the ratio is not a number at all.
    package func interval(ofRatio numerator: Samples, toPaired denominator: Samples) -> Interval? {
        guard numerator.values.count == denominator.values.count, denominator.median > 0 else { return nil }
        let pairs = zip(numerator.values, denominator.values).sorted { $0 < $1 }
        var generator = SplitMix64(state: seed)
        var (above, below) = (numerator.sorted, denominator.sorted)
        return interval {
            for index in pairs.indices {
                (above[index], below[index]) = pairs[generator.index(below: pairs.count)]
            }
            return Self.median(of: &above) / Self.median(of: &below)
        }
    }

    /// Where the ratio of two medians lies, of samples that have nothing to do with each other. Nil where the ratio is not a number.
    package func interval(ofRatio numerator: Samples, to denominator: Samples) -> Interval? {
        guard denominator.median > 0 else { return nil }
        var generator = SplitMix64(state: seed)
        var (above, below) = (numerator.sorted, denominator.sorted)
        return interval {
            for index in above.indices { above[index] = numerator.sorted[generator.index(below: above.count)] }
            for index in below.indices { below[index] = denominator.sorted[generator.index(below: below.count)] }
            return Self.median(of: &above) / Self.median(of: &below)
        }
    }

    private func interval(_ draw: () -> Double) -> Interval {
        // A sample of zeroes may be drawn as the denominator: what it makes is no number, or beyond all.
        let statistics = (0..<resamples).map { _ in draw() }.map { $0.isNaN ? .infinity : $0 }.sorted()
        let tail = (1 - confidence) / 2
        let last = Double(statistics.count - 1)
        return Interval(
            lower: statistics[Int((tail * last).rounded())], upper: statistics[Int(((1 - tail) * last).rounded())])
    }

    /// - Parameter values: sorted afterwards.
    private static func median(of values: inout [Double]) -> Double {
        values.sort()
        return Samples.quantile(0.5, of: values)
    }
}

/// From `lower` to `upper`, both within.
package struct Interval: Equatable, Sendable {
    package var lower: Double
    package var upper: Double

    package init(lower: Double, upper: Double) {
        self.lower = lower
        self.upper = upper
    }

    package func contains(_ value: Double) -> Bool { lower <= value && value <= upper }
    package func overlaps(_ other: Interval) -> Bool { lower <= other.upper && other.lower <= upper }
    /// What 1/x is for all x within.
    var inverse: Interval { Interval(lower: 1 / upper, upper: lower == 0 ? .infinity : 1 / lower) }
}

/// Steele, Lea and Flood's SplitMix64 (2014).
private struct SplitMix64 {
    var state: UInt64

    /// A number from 0 up to, but not, `count`, each as likely as the others to within one in 2^32.
    mutating func index(below count: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return Int((value ^ value >> 31).multipliedFullWidth(by: UInt64(count)).high)
    }
}
