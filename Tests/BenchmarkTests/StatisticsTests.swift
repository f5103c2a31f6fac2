import TestSupport
import Testing

@testable import Benchmark

@Suite struct StatisticsTests {
    static func samples(_ values: [Double]) throws -> Samples { try #require(Samples(values)) }

    /// Values and what R's quantile(x, c(.25, .5, .75)), of type 7, says of them.
    static let quartiles: [([Double], Double, Double, Double)] = [
        ([3], 3, 3, 3),
        ([1, 2], 1.25, 1.5, 1.75),
        ([9, 1, 5], 3, 5, 7),
        ([4, 1, 3, 2], 1.75, 2.5, 3.25),
        ([7, 15, 36, 39, 40, 41], 20.25, 37.5, 39.75),
        ([6, 7, 15, 36, 39, 40, 41, 42, 43, 47, 49], 25.5, 40, 42.5),
    ]

    @Test(arguments: quartiles)
    func quartilesAreThoseOfKnownSamples(_ values: [Double], _ lower: Double, _ median: Double, _ upper: Double) throws
    {
        let samples = try Self.samples(values)
        #expect(samples.quantile(0.25) == lower)
        #expect(samples.median == median)
        #expect(samples.quantile(0.75) == upper)
        #expect(samples.least == values.min())
        #expect(samples.greatest == values.max())
    }

    @Test func outliersLieBeyondTukeysFences() throws {
        let samples = try Self.samples([10, 11, 12, 13, 14, 100, 12, 11, 13, 1])
        // Quartiles 11 and 13: from 8 to 16.
        #expect(samples.fences == 8...16)
        #expect(samples.areOutliers == [false, false, false, false, false, true, false, false, false, true])
        #expect(samples.outlierCount == 2)
        #expect(samples.median == 12)
        #expect(try Self.samples([5, 5, 5]).outlierCount == 0)
    }

    @Test func whatIsNoFigureIsRefused() {
        for value in [-1, -.leastNonzeroMagnitude, .nan, .infinity, 1e-13, 1e19] {
            #expect(Samples([1, value]) == nil)
        }
        #expect(Samples([]) == nil)
        #expect(Samples([0, 1e-12, 1e18]) != nil)
    }

    /// Fewer samples than usual, where many intervals are looked at.
    private static let quick: Bootstrap = {
        var bootstrap = Bootstrap()
        bootstrap.resamples = 400
        return bootstrap
    }()

    private static func drawn(_ count: Int, _ generator: inout SeededGenerator) -> [Double] {
        // Skewed and with ties, as times are.
        (0..<count).map { _ in
            let value = Double.random(in: 0...1, using: &generator)
            return (100 + 20 * value * value * value * 10).rounded() / 10
        }
    }

    @Test func anIntervalHoldsTheMedianAndLiesWithinTheSamples() throws {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<100 {
            let samples = try Self.samples(Self.drawn(.random(in: 1...30, using: &generator), &generator))
            let interval = Bootstrap.standard.interval(ofMedianOf: samples)
            #expect(interval.contains(samples.median), "\(samples.values)")
            #expect(samples.least <= interval.lower && interval.upper <= samples.greatest)
        }
    }

    @Test func theOrderOfRoundsChangesNothing() throws {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<30 {
            let values = Self.drawn(12, &generator)
            let others = Self.drawn(12, &generator)
            let order = values.indices.shuffled(using: &generator)
            let (samples, baseline) = (try Self.samples(values), try Self.samples(others))
            let moved = try Self.samples(order.map { values[$0] })
            let movedBaseline = try Self.samples(order.map { others[$0] })
            let bootstrap = Bootstrap.standard
            #expect(bootstrap.interval(ofMedianOf: samples) == bootstrap.interval(ofMedianOf: moved))
            #expect(
                Ratio(samples, toPaired: baseline, better: .lower)
                    == Ratio(moved, toPaired: movedBaseline, better: .lower))
            #expect(Ratio(samples, to: baseline, better: .higher) == Ratio(moved, to: baseline, better: .higher))
        }
    }

    /// A median's interval holds the distribution's own median about as often as it says.
    @Test func intervalsHoldTheTruthOften() throws {
        var generator = SeededGenerator(seed: 3)
        var hits = 0
        let trials = 300
        for _ in 0..<trials {
            let values = (0..<11).map { _ in Double.random(in: 1...3, using: &generator) }
            if Self.quick.interval(ofMedianOf: try Self.samples(values)).contains(2) { hits += 1 }
        }
        #expect(Double(hits) / Double(trials) > 0.9)
    }

    @Test func equalDistributionsAreWithinTheNoise() throws {
        var generator = SeededGenerator(seed: 4)
        var (paired, unpaired) = (0, 0)
        let trials = 200
        for _ in 0..<trials {
            let samples = try Self.samples((0..<10).map { _ in .random(in: 90...110, using: &generator) })
            let others = try Self.samples((0..<10).map { _ in .random(in: 90...110, using: &generator) })
            if Ratio(samples, toPaired: others, better: .lower, by: Self.quick)?.verdict == .noise { paired += 1 }
            if Ratio(samples, to: others, better: .lower, by: Self.quick)?.verdict == .noise { unpaired += 1 }
        }
        #expect(Double(paired) / Double(trials) > 0.9)
        #expect(Double(unpaired) / Double(trials) > 0.9)
    }

    @Test func aSampleIsWithinTheNoiseOfItself() throws {
        let samples = try Self.samples([5, 6, 7, 8, 9, 10, 11])
        let ratio = try #require(Ratio(samples, toPaired: samples, better: .lower))
        #expect(ratio.value == 1)
        #expect(ratio.interval == Interval(lower: 1, upper: 1))
        #expect(ratio.verdict == .noise)
    }

    @Test func ratiosAreTurnedSoThatMoreIsWorse() throws {
        let baseline = try Self.samples([10, 10, 10, 10, 10, 10])
        let twice = try Self.samples([20, 20, 20, 20, 20, 20])
        let slower = try #require(Ratio(twice, toPaired: baseline, better: .lower))
        #expect(slower.value == 2 && slower.verdict == .worse)
        let faster = try #require(Ratio(twice, toPaired: baseline, better: .higher))
        #expect(faster.value == 0.5 && faster.verdict == .better)
        #expect(faster.interval == Interval(lower: 0.5, upper: 0.5))
    }

    @Test func fewRoundsSayNothing() throws {
        let (one, two) = (try Self.samples([1, 1, 1, 1, 1]), try Self.samples([9, 9, 9, 9, 9]))
        #expect(Ratio(two, toPaired: one, better: .lower)?.verdict == .tooFewRounds)
        #expect(Ratio(two, to: one, better: .lower)?.verdict == .tooFewRounds)
    }

    @Test func whatIsCommonToARoundCancelsInPairs() throws {
        // Rounds that differ by a factor of ten, and a ratio that is always 1.5.
        let rounds: [Double] = [1, 10, 2, 9, 3, 8, 4, 7, 5, 6]
        let (baseline, samples) = (try Self.samples(rounds), try Self.samples(rounds.map { $0 * 1.5 }))
        let paired = try #require(Ratio(samples, toPaired: baseline, better: .lower))
        #expect(paired.verdict == .worse)
        #expect(abs(paired.interval.lower - 1.5) < 1e-9 && abs(paired.interval.upper - 1.5) < 1e-9)
        #expect(Ratio(samples, to: baseline, better: .lower)?.verdict == .noise)
    }

    @Test func thereIsNoRatioToZero() throws {
        let (zero, one) = (try Self.samples([0, 0, 0]), try Self.samples([1, 1, 1]))
        #expect(Ratio(one, toPaired: zero, better: .lower) == nil)
        #expect(Ratio(zero, toPaired: one, better: .higher) == nil)
        #expect(Ratio(one, to: zero, better: .lower) == nil)
        #expect(Ratio(one, toPaired: try Self.samples([1, 1]), better: .lower) == nil)
        // Most of it zero: a drawn median may be.
        let sparse = try Self.samples([0, 0, 0, 1, 1, 1, 1])
        let ratio = try #require(Ratio(try Self.samples([1, 1, 1, 1, 1, 1, 1]), to: sparse, better: .lower))
        #expect(ratio.interval.upper == .infinity)
    }
}
