/// Where values lie on an axis.
package struct Scale: Equatable, Sendable {
    /// Beyond this ratio of the greatest to the least an axis is logarithmic: on a linear one the small values could not be told apart.
    static let widestLinear = 40.0

    package let isLogarithmic: Bool
    private let lower: Double
    private let upper: Double

    /// For values that are finite and not negative. A linear axis begins at zero.
    package init(for values: [Double]) {
        let positive = values.filter { $0 > 0 }
        let least = positive.min() ?? 1
        let greatest = positive.max() ?? 1
        isLogarithmic = positive.count == values.count && greatest / least > Self.widestLinear
        if isLogarithmic {
            (lower, upper) = (Self.power(least, 0), Self.power(greatest, 1))
        } else {
            (lower, upper) = (0, greatest * 1.05)
        }
    }

    /// From 0 to 1.
    package func position(of value: Double) -> Double {
        guard isLogarithmic else { return min(max(value / upper, 0), 1) }
        guard value > lower else { return 0 }
        return min(Self.logarithm(value / lower) / Self.logarithm(upper / lower), 1)
    }

    /// Round values to mark, at most about eight.
    var ticks: [Double] {
        if isLogarithmic {
            var values = [lower]
            while let last = values.last, last * 10 <= upper * 1.001 { values.append(last * 10) }
            let step = (values.count + 7) / 8
            return values.enumerated().filter { $0.offset % step == 0 }.map(\.element)
        }
        let rough = upper / 5
        let decade = Self.power(rough, 0)
        let step = [1, 2, 5, 10].map { $0 * decade }.first { $0 >= rough * 0.999 } ?? decade * 10
        return (0...Int(upper / step)).map { Double($0) * step }
    }

    /// The power of ten at or below a positive value, times 10 to the power `more`.
    private static func power(_ value: Double, _ more: Int) -> Double {
        var result = 1.0
        while result * 10 <= value { result *= 10 }
        while result > value { result /= 10 }
        return more == 0 ? result : result * 10
    }

    /// To base two: the exponent, and the significand's by its series, to seven digits. Axes need no more, and this module no C library.
    private static func logarithm(_ value: Double) -> Double {
        let y = (value.significand - 1) / (value.significand + 1)
        let square = y * y
        let series = stride(from: 21, through: 1, by: -2).reduce(0.0) { sum, n in sum * square + 1 / Double(n) }
        return Double(value.exponent) + 2 * y * series / 0.693_147_180_559_945_3
    }
}
