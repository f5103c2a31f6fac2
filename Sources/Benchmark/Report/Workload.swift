/// Something to measure.
package struct Workload: Equatable, Sendable {
    package var name: String
    package var group: String
    /// One line.
    package var summary: String

    package init(name: String, group: String, summary: String) {
        self.name = name
        self.group = group
        self.summary = summary
    }
}

/// What programs of workloads print.
package enum WorkloadOutput {
    /// Why it makes no sense, as a line.
    package struct Problem: Error, Equatable {
        package var message: String
    }

    /// Of `workload list`: lines of name, group and summary with tabs between them.
    package static func workloads(_ text: String) throws(Problem) -> [Workload] {
        var result: [Workload] = []
        for fields in lines(text) {
            guard fields.count == 3, isName(fields[0]), isName(fields[1]) else {
                throw Problem(
                    message: "'\(fields.joined(separator: " "))' is no name, group and description with tabs between")
            }
            guard !result.contains(where: { $0.name == fields[0] }) else {
                throw Problem(message: "the workload '\(fields[0])' is listed twice")
            }
            result.append(Workload(name: fields[0], group: fields[1], summary: fields[2]))
        }
        return result
    }

    /// Of one run: lines of metric, value, unit and `higher` or `lower`. Each metric once, and at least one of them.
    package static func readings(_ text: String) throws(Problem) -> [Reading] {
        var result: [Reading] = []
        for fields in lines(text) {
            guard fields.count == 4, !fields[0].isEmpty, let better = Metric.Better(rawValue: fields[3]),
                let value = number(fields[1])
            else {
                throw Problem(
                    message:
                        "'\(fields.joined(separator: " "))' is no metric, value, unit and direction with tabs between")
            }
            let metric = Metric(name: fields[0], unit: fields[2], better: better)
            guard !result.contains(where: { $0.metric.name == metric.name }) else {
                throw Problem(message: "the metric '\(metric.name)' is there twice")
            }
            result.append(Reading(metric: metric, value: value))
        }
        guard !result.isEmpty else { throw Problem(message: "it printed no metric") }
        return result
    }

    /// A terminal's lines end with a carriage return as well.
    private static func lines(_ text: String) -> [[String]] {
        text.split(whereSeparator: \.isNewline).map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64
            && text.unicodeScalars.allSatisfy {
                ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0)
                    || "._-".unicodeScalars.contains($0)
            }
    }

    private static func number(_ text: String) -> Double? {
        // Words such as `inf` and hexadecimal numbers are Doubles, too.
        guard text.utf8.allSatisfy({ "0123456789.eE+-".utf8.contains($0) }), let value = Double(text),
            Samples.isFigure(value)
        else { return nil }
        return value
    }
}
