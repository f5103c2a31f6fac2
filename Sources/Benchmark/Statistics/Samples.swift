/// Figures of one kind, one a round, in the order of the rounds.
package struct Samples: Equatable, Sendable {
    /// Each of them as `isFigure` has it.
    package let values: [Double]
    /// The same, the least first.
    let sorted: [Double]

    /// Nil where there is no value, or one that is no figure.
    package init?(_ values: [Double]) {
        guard !values.isEmpty, values.allSatisfy(Self.isFigure) else { return nil }
        self.values = values
        sorted = values.sorted()
    }

    /// Whether something measured can have this value: zero, or from 10^-12 to 10^18. Whatever is computed of such values is finite.
    package static func isFigure(_ value: Double) -> Bool { value == 0 || (1e-12...1e18).contains(value) }

    package static func == (left: Samples, right: Samples) -> Bool { left.values == right.values }

    package var median: Double { Self.quantile(0.5, of: sorted) }
    package var least: Double { sorted[0] }
    package var greatest: Double { sorted[sorted.count - 1] }

    /// The value below which the fraction `p` of the samples lies, between two of them by linear interpolation (type 7 of Hyndman and Fan, 1996).
    package func quantile(_ p: Double) -> Double { Self.quantile(p, of: sorted) }

    /// - Parameter sorted: at least one value, the least first.
    static func quantile(_ p: Double, of sorted: [Double]) -> Double {
        let position = p * Double(sorted.count - 1)
        let lower = Int(position)
        let upper = min(lower + 1, sorted.count - 1)
        let fraction = position - Double(lower)
        return sorted[lower] * (1 - fraction) + sorted[upper] * fraction
    }

    /// Tukey's fences: 1.5 times the distance of the quartiles below the lower and above the upper one.
    package var fences: ClosedRange<Double> {
        let (lower, upper) = (quantile(0.25), quantile(0.75))
        let distance = 1.5 * (upper - lower)
        return (lower - distance)...(upper + distance)
    }

    /// For each value, whether it lies beyond the fences. Such values count as all others do.
    package var areOutliers: [Bool] {
        let fences = fences
        return values.map { !fences.contains($0) }
    }

    package var outlierCount: Int { areOutliers.count { $0 } }
}
