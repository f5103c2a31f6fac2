/// Figures for people.
package enum NumberText {
    /// Three significant digits, or all of the whole part of a number that has more: `0.00123`, `1.2`, `15032`.
    package static func short(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "–" : value < 0 ? "-∞" : "∞" }
        guard value >= 0 else { return "-" + short(-value) }
        guard value > 0 else { return "0" }
        for (factor, suffix) in [(1e15, "P"), (1e12, "T"), (1e9, "G")] where value >= factor {
            // What no prefix of these fits is beyond what anybody measures.
            return value < factor * 1e6
                ? fixed(value / factor, decimals: decimals(value / factor)) + suffix : "\(value)"
        }
        return value < 1e-9 ? "< 1e-9" : fixed(value, decimals: decimals(value))
    }

    /// A ratio, as `3.42×`.
    package static func factor(_ value: Double) -> String { value.isFinite ? "\(short(value))×" : "∞" }

    private static func decimals(_ value: Double) -> Int {
        var (count, limit) = (2, 9.995)
        while value >= limit, count > 0 { (count, limit) = (count - 1, limit * 10) }
        limit = 0.9995
        while value < limit, count < 12 { (count, limit) = (count + 1, limit / 10) }
        return count
    }

    /// With so many decimals, but no zeroes in the end of them.
    /// - Parameter value: not negative, and at most 10^18 with the point taken out.
    private static func fixed(_ value: Double, decimals: Int) -> String {
        let scale = (0..<decimals).reduce(1.0) { scale, _ in scale * 10 }
        let digits = String(UInt64((value * scale).rounded()))
        guard decimals > 0 else { return digits }
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let fraction = String(padded.suffix(decimals).reversed().drop { $0 == "0" }.reversed())
        return padded.dropLast(decimals) + (fraction.isEmpty ? "" : ".\(fraction)")
    }
}
