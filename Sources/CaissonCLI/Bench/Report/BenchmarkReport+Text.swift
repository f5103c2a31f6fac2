import Benchmark
import HostIO
import ImageStore

extension BenchmarkReport {
    private static let barWidth = 24

    /// For people: a table for each metric. What others wrote cannot do anything to the terminal.
    var text: String {
        var parts: [String] = []
        if let emulationWarning { parts.append(emulationWarning) }
        let cores = setup.processors.count == 1 ? "processor" : "processors"
        let quick = setup.isQuick ? "\nA quick run: it shows that everything works, not how fast it is." : ""
        parts.append(
            "\(setup.rounds) \(setup.rounds == 1 ? "round" : "rounds") after \(setup.warmups) to warm up, on \(cores) \(setup.processorText), "
                + "\(setup.memoryText); \(setup.begin)\(quick)")
        var workload: String?
        for finding in findings {
            // Once for all of its metrics.
            if finding.workload.name != workload {
                parts.append("\(finding.workload.name): \(finding.workload.summary)")
            }
            workload = finding.workload.name
            parts[parts.count - 1] += "\n" + Self.table(of: finding)
        }
        if !failures.isEmpty {
            parts.append(
                (["Failed:"] + failures.map { "  \($0.workload) in \($0.engine): \($0.problem)" }).joined(
                    separator: "\n"))
        }
        if !omissions.isEmpty {
            parts.append((["Left out:"] + omissions.map { "  \($0.engine): \($0.reason)" }).joined(separator: "\n"))
        }
        let notes = engines.filter { !$0.notes.isEmpty }.map { "  \($0.title): \($0.notes.joined(separator: "; "))" }
        if !notes.isEmpty { parts.append((["Not as for the others:"] + notes).joined(separator: "\n")) }
        return parts.map {
            $0.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }.joined(
                separator: "\n")
        }
        .joined(separator: "\n\n")
    }

    private static func table(of finding: Finding) -> String {
        let scale = Scale(for: finding.rows.map(\.samples.median))
        let metric = finding.metric
        let bars = scale.isLogarithmic ? "; bars are logarithmic" : ""
        let subtitle = "  \(metric.name) in \(metric.unit), \(metric.better.rawValue) is better\(bars)"
        var rows = [["", "median", "95 % interval", "outliers", "x process", "95 % interval"]]
        for row in finding.rows {
            let samples = row.samples
            var cells = [
                "  \(row.engine.title)", NumberText.short(samples.median), interval(row.interval),
                samples.outlierCount == 0 ? "-" : "\(samples.outlierCount)",
            ]
            if let ratio = row.ratio {
                cells += [NumberText.short(ratio.value), interval(ratio.interval), ""]
                cells[6] = ratio.verdict.text
            } else {
                cells += ["", "", ""]
            }
            let bar = Int((scale.position(of: samples.median) * Double(barWidth)).rounded())
            cells[6] = String(repeating: "█", count: max(1, bar)) + (cells[6].isEmpty ? "" : " " + cells[6])
            rows.append(cells)
        }
        return "\(subtitle)\n\(TextTable(rows: rows).text)"
    }

    private static func interval(_ interval: Interval) -> String {
        "\(NumberText.short(interval.lower)) - \(NumberText.short(interval.upper))"
    }
}

extension Comparison {
    /// For people.
    var text: String {
        var parts: [String] = []
        if !differences.isEmpty {
            parts.append((["Not the same in both runs:"] + differences.map { "  \($0)" }).joined(separator: "\n"))
        }
        var table = [["WORKLOAD", "METRIC", "ENGINE", "BEFORE", "AFTER", "UNIT", "RATIO", "95 % INTERVAL"]]
        for row in rows {
            table.append(
                [
                    row.workload, row.metric.name, row.engine, NumberText.short(row.before.median),
                    NumberText.short(row.after.median), row.metric.unit,
                ]
                    + (row.ratio.map { ratio in
                        [
                            NumberText.short(ratio.value),
                            "\(NumberText.short(ratio.interval.lower)) - \(NumberText.short(ratio.interval.upper))",
                            ratio.verdict.text,
                        ]
                    } ?? ["", "", "no ratio to zero"]))
        }
        if rows.isEmpty {
            parts.append("The two runs have no figure in common.")
        } else {
            parts.append(TextTable(rows: table.map { $0.map(\.printable) }).text)
            parts.append("Ratios are turned so that more is worse: 2 is twice as slow, or half as fast.")
        }
        for (title, names) in [("Only before:", onlyBefore), ("Only after:", onlyAfter)] where !names.isEmpty {
            parts.append(([title] + names.map { "  \($0)" }).joined(separator: "\n"))
        }
        return parts.map {
            $0.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }.joined(
                separator: "\n")
        }
        .joined(separator: "\n\n")
    }
}
