/// A plot of one finding, as SVG: a row an engine, with all samples, the median and its interval.
struct Chart {
    let finding: Finding

    private static let width = 760.0
    private static let labelWidth = 168.0
    private static let valueWidth = 96.0
    private static let rowHeight = 28.0
    private static let axisHeight = 30.0

    private var plotWidth: Double { Self.width - Self.labelWidth - Self.valueWidth }

    var svg: String {
        let scale = Scale(for: finding.rows.flatMap(\.samples.values))
        let bottom = Double(finding.rows.count) * Self.rowHeight
        var parts: [String] = []
        for tick in scale.ticks { parts += mark(tick, at: x(tick, scale), bottom: bottom) }
        for (index, row) in finding.rows.enumerated() {
            parts.append(draw(row, at: (Double(index) + 0.5) * Self.rowHeight, scale))
        }
        let axis = finding.metric.unit + (scale.isLogarithmic ? ", logarithmic" : "")
        parts.append(
            Markup.text(
                "text",
                [
                    ("class", "axis"), ("x", Self.number(Self.labelWidth - 22)), ("y", Self.number(bottom + 18)),
                    ("text-anchor", "end"),
                ],
                axis))
        let name = "\(finding.workload.name), \(finding.metric.name)"
        let title = Markup.text("title", [], "\(name): \(finding.metric.better.rawValue) is better")
        return Markup.element(
            "svg",
            [
                ("viewBox", "0 0 \(Self.number(Self.width)) \(Self.number(bottom + Self.axisHeight))"), ("role", "img"),
                ("xmlns", "http://www.w3.org/2000/svg"),
            ], title + parts.joined())
    }

    private func x(_ value: Double, _ scale: Scale) -> Double {
        Self.labelWidth + scale.position(of: value) * plotWidth
    }

    private func mark(_ value: Double, at x: Double, bottom: Double) -> [String] {
        [
            "<line class=\"grid\" x1=\"\(Self.number(x))\" x2=\"\(Self.number(x))\" y1=\"0\" y2=\"\(Self.number(bottom))\"/>",
            Markup.text(
                "text",
                [("class", "axis"), ("x", Self.number(x)), ("y", Self.number(bottom + 18)), ("text-anchor", "middle")],
                NumberText.short(value)),
        ]
    }

    private func draw(_ row: Finding.Row, at y: Double, _ scale: Scale) -> String {
        let label = Markup.text(
            "text",
            [
                ("class", "label"), ("x", Self.number(Self.labelWidth - 12)), ("y", Self.number(y + 4.5)),
                ("text-anchor", "end"),
            ],
            row.engine.title)
        let (left, right) = (x(row.interval.lower, scale), x(row.interval.upper, scale))
        let band =
            "<rect class=\"band\" x=\"\(Self.number(left - 1))\" y=\"\(Self.number(y - 8))\" width=\"\(Self.number(right - left + 2))\" "
            + "height=\"16\" rx=\"2\"/>"
        let dots = zip(row.samples.values, row.samples.areOutliers).map { value, isOutlier in
            "<circle class=\"\(isOutlier ? "outlier" : "sample")\" cx=\"\(Self.number(x(value, scale)))\" cy=\"\(Self.number(y))\" r=\"3\"/>"
        }
        let middle = Self.number(x(row.samples.median, scale))
        let median =
            "<line class=\"median\" x1=\"\(middle)\" x2=\"\(middle)\" y1=\"\(Self.number(y - 10))\" y2=\"\(Self.number(y + 10))\"/>"
        let value = Markup.text(
            "text",
            [("class", "value"), ("x", Self.number(Self.width)), ("y", Self.number(y + 4.5)), ("text-anchor", "end")],
            value(of: row))
        return Markup.element(
            "g", [("class", row.engine.kind.rawValue)], label + band + dots.joined() + median + value)
    }

    /// The ratio; for the process itself, or without one, the median.
    private func value(of row: Finding.Row) -> String {
        guard let ratio = row.ratio else { return "\(NumberText.short(row.samples.median)) \(finding.metric.unit)" }
        let mark =
            switch ratio.verdict {
            case .better, .worse: ""
            case .noise: ", noise"
            case .tooFewRounds: " ?"
            }
        return NumberText.factor(ratio.value) + mark
    }

    /// With two decimals: less than anybody sees.
    private static func number(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        return hundredths % 100 == 0 ? "\(hundredths / 100)" : "\(Double(hundredths) / 100)"
    }
}
