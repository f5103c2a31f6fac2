/// A time as people write it: `30s`, `500ms`, `1m30s`, `1.5h`, and `30` for seconds.
package struct TimeSpan: Equatable {
    package var milliseconds: UInt64

    /// The longest names first.
    private static let units: [(name: String, milliseconds: UInt64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// Reads numbers, each with its unit: ms, s, m, h or d. A number alone is seconds. A part of a millisecond counts as
    /// a whole one. Nil for anything else, and for what 64 bits cannot hold.
    package init?(parsing text: String) {
        guard let (seconds, rest) = DecimalNumber.prefix(of: text) else { return nil }
        if rest.isEmpty {
            guard let milliseconds = seconds.roundedUp(times: 1000) else { return nil }
            self.milliseconds = milliseconds
            return
        }
        var sum: UInt64 = 0
        var text = text[...]
        while !text.isEmpty {
            guard let (number, rest) = DecimalNumber.prefix(of: String(text)),
                let unit = Self.units.first(where: { rest.hasPrefix($0.name) }),
                let part = number.roundedUp(times: unit.milliseconds)
            else { return nil }
            let (total, overflow) = sum.addingReportingOverflow(part)
            guard !overflow else { return nil }
            sum = total
            text = rest.dropFirst(unit.name.count)
        }
        milliseconds = sum
    }
}
