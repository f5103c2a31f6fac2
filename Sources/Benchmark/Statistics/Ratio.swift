/// How one figure compares with another: their ratio, turned so that more is worse.
///
/// For a figure of which less is better it is this one divided by the other, else the other divided by this one. 2 means twice as
/// slow, or half as fast.
package struct Ratio: Equatable, Sendable {
    package var value: Double
    package var interval: Interval
    package var verdict: Verdict

    package enum Verdict: String, Equatable, Sendable {
        case better, worse
        /// The interval holds 1.
        case noise
        case tooFewRounds
    }

    /// With fewer rounds no interval tells anything: that all of five rounds come out on the same side by chance has a probability of
    /// 1 in 16, of six 1 in 32.
    package static let fewestRounds = 6

    /// Of samples taken in the same rounds. Nil where there is no ratio: a median is zero, or rounds are missing.
    package init?(
        _ samples: Samples, toPaired baseline: Samples, better: Metric.Better, by bootstrap: Bootstrap = .standard
    ) {
        self.init(
            samples, baseline, better, bootstrap.interval(ofRatio: samples, toPaired: baseline))
    }

    /// Of samples from runs that have nothing to do with each other. Nil where a median is zero.
    package init?(_ samples: Samples, to baseline: Samples, better: Metric.Better, by bootstrap: Bootstrap = .standard)
    {
        self.init(samples, baseline, better, bootstrap.interval(ofRatio: samples, to: baseline))
    }

    private init?(_ samples: Samples, _ baseline: Samples, _ better: Metric.Better, _ interval: Interval?) {
        guard let interval, samples.median > 0, baseline.median > 0 else { return nil }
        let ratio = samples.median / baseline.median
        value = better == .lower ? ratio : 1 / ratio
        self.interval = better == .lower ? interval : interval.inverse
        guard value.isFinite else { return nil }
        verdict =
            min(samples.values.count, baseline.values.count) < Self.fewestRounds
            ? .tooFewRounds : self.interval.contains(1) ? .noise : value < 1 ? .better : .worse
    }
}
