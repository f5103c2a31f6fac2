/// What changed between two runs.
package struct Comparison: Equatable, Sendable {
    package struct Row: Equatable, Sendable {
        package var workload: String
        package var engine: String
        package var metric: Metric
        package var before: Samples
        package var after: Samples
        /// Of what is now to what was; nil where a median is zero.
        package var ratio: Ratio?
    }

    package var rows: [Row]
    /// What only one of the runs has, as `workload, metric, engine`.
    package var onlyBefore: [String]
    package var onlyAfter: [String]
    /// What else is not the same, so that figures may differ for that reason: lines for people.
    package var differences: [String]

    package init(_ before: BenchmarkReport, _ after: BenchmarkReport) {
        var rows: [Row] = []
        var onlyBefore: [String] = []
        for series in before.series {
            guard let other = after.series.first(where: { $0.isSameFigure(as: series) }) else {
                onlyBefore.append(series.name)
                continue
            }
            rows.append(
                Row(
                    workload: series.workload, engine: series.engine, metric: series.metric, before: series.samples,
                    after: other.samples, ratio: Ratio(other.samples, to: series.samples, better: series.metric.better))
            )
        }
        self.rows = rows
        self.onlyBefore = onlyBefore
        onlyAfter = after.series.filter { series in !before.series.contains { $0.isSameFigure(as: series) } }.map(
            \.name)
        differences = Self.differences(before, after)
    }

    private static func differences(_ before: BenchmarkReport, _ after: BenchmarkReport) -> [String] {
        var lines: [String] = []
        func compare(_ label: String, _ old: String?, _ new: String?) {
            guard old != new else { return }
            lines.append("\(label): \(old ?? "unknown") before, \(new ?? "unknown") after")
        }
        compare("quick", before.setup.isQuick ? "yes" : "no", after.setup.isQuick ? "yes" : "no")
        compare("processors", before.setup.processorText, after.setup.processorText)
        compare("memory", before.setup.memoryText, after.setup.memoryText)
        for fact in before.host where !BenchmarkReport.Fact.changing.contains(fact.label) {
            compare(fact.label, fact.text, after.host.first { $0.label == fact.label }?.text)
        }
        for engine in before.engines {
            guard let other = after.engine(engine.id) else { continue }
            compare(engine.id, engine.title, other.title)
            compare("\(engine.id)'s version", engine.version, other.version)
            if engine.notes != other.notes {
                compare(
                    "\(engine.id)'s limits", engine.notes.joined(separator: "; "), other.notes.joined(separator: "; "))
            }
        }
        return lines
    }
}

extension BenchmarkReport.Series {
    fileprivate func isSameFigure(as other: Self) -> Bool {
        workload == other.workload && engine == other.engine && metric == other.metric
    }

    fileprivate var name: String { "\(workload), \(metric.name), \(engine)" }
}

extension BenchmarkReport.Fact {
    /// What is not the same twice on one host.
    package static let load = "load"
    fileprivate static let changing: Set = [load]
}

extension BenchmarkReport.Setup {
    package var processorText: String { processors.map(String.init).joined(separator: ",") }
    package var memoryText: String { "\(memory >> 20) MiB" }
}
