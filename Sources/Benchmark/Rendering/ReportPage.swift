/// A report as one HTML page that needs nothing else: no script, no font, no file.
package struct ReportPage {
    private let report: BenchmarkReport
    private let version: String

    /// - Parameter version: the program's, for the end of the page.
    package init(_ report: BenchmarkReport, version: String) {
        self.report = report
        self.version = version
    }

    package var html: String {
        let body = [warning, header, left, charts, failures, conditions, reading, footer].joined(separator: "\n")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>What a virtual machine costs</title>
            <style>\(PageStyle.css)</style>
            </head>
            <body><main>
            \(body)
            </main></body>
            </html>

            """
    }

    private var warning: String {
        report.emulationWarning.map { Markup.text("p", [("class", "warning")], $0) } ?? ""
    }

    private var header: String {
        let setup = report.setup
        let cores =
            setup.processors.count == 1 ? "processor \(setup.processorText)" : "processors \(setup.processorText)"
        let rounds =
            "\(setup.rounds) \(setup.rounds == 1 ? "round" : "rounds") in turns after \(setup.warmups) to warm up"
        let quick =
            setup.isQuick ? " A quick run: it shows that everything works, not how fast it is." : ""
        return Markup.text("h1", [], "What a virtual machine costs")
            + Markup.text(
                "p", [("class", "lead")],
                "The same programs in a plain process, in containers and in virtual machines: \(rounds), all on \(cores), "
                    + "\(setup.memoryText) each; \(setup.begin).\(quick)")
    }

    private var left: String {
        guard !report.omissions.isEmpty else { return "" }
        let items = report.omissions.map { Markup.text("li", [], "\($0.engine): \($0.reason)") }.joined()
        return Markup.text("h2", [], "Did not take part") + Markup.element("ul", [], items)
    }

    private var charts: String {
        var text = ""
        var workload: String?
        for finding in report.findings {
            if finding.workload.name != workload {
                workload = finding.workload.name
                text += Markup.text("h2", [], finding.workload.name) + Markup.text("p", [], finding.workload.summary)
            }
            let heading = "\(finding.metric.name), \(finding.metric.unit), \(finding.metric.better.rawValue) is better"
            text += Markup.element(
                "section", [],
                Markup.text("h3", [], heading)
                    + Markup.element("div", [("class", "scroll")], Chart(finding: finding).svg)
                    + Markup.element(
                        "details", [], Markup.text("summary", [], "Figures") + Self.table(of: finding)))
        }
        return text
    }

    private static func table(of finding: Finding) -> String {
        let headings = [
            "", "median", "95 % interval", "least", "greatest", "outliers", "× process, more is worse", "95 % interval",
            "",
        ]
        let head = headings.map { Markup.text("th", [], $0) }.joined()
        let rows = finding.rows.map { row -> String in
            let samples = row.samples
            var cells = [
                NumberText.short(samples.median), Self.text(row.interval), NumberText.short(samples.least),
                NumberText.short(samples.greatest), "\(samples.outlierCount)",
            ]
            cells +=
                row.ratio.map { [NumberText.short($0.value), text($0.interval), $0.verdict.text] } ?? ["", "", ""]
            return Markup.element(
                "tr", [], Markup.text("th", [], row.engine.title) + cells.map { Markup.text("td", [], $0) }.joined())
        }
        return Markup.element(
            "div", [("class", "scroll")], Markup.element("table", [], Markup.element("tr", [], head) + rows.joined()))
    }

    private static func text(_ interval: Interval) -> String {
        "\(NumberText.short(interval.lower)) – \(NumberText.short(interval.upper))"
    }

    private var failures: String {
        guard !report.failures.isEmpty else { return "" }
        let items = report.failures.map { failure in
            Markup.text(
                "li", [],
                "\(failure.workload) in \(report.engine(failure.engine)?.title ?? failure.engine): \(failure.problem)")
        }
        return Markup.text("h2", [], "Failed") + Markup.element("ul", [], items.joined())
    }

    private var conditions: String {
        let facts = report.host.map { ($0.label, $0.text) }
        let engines = report.engines.map { engine in
            (engine.title, ([engine.version].compactMap { $0 } + engine.notes).joined(separator: "; "))
        }
        func list(_ rows: [(String, String)]) -> String {
            Markup.element(
                "dl", [],
                rows.map { Markup.text("dt", [], $0.0) + Markup.text("dd", [], $0.1.isEmpty ? "–" : $0.1) }.joined())
        }
        return Markup.text("h2", [], "The host") + list(facts) + Markup.text("h2", [], "Versions and limits")
            + list(engines)
    }

    private var reading: String {
        Markup.text("h2", [], "How to read this")
            + Markup.text(
                "p", [],
                """
                Every dot is a round. The line is the median, the band the interval in which it lies by a bootstrap with 95 % \
                confidence. Hollow dots are outliers by Tukey's rule, beyond 1.5 times the quartiles' distance; they count as all \
                others do. The figure on the right is the ratio to the plain process, turned so that more is worse: 2× is twice as slow, \
                or half as fast. Where its interval holds 1, the difference is within the noise, and called so. With fewer than \
                \(Ratio.fewestRounds) rounds nothing is said of differences: a question mark.
                """)
    }

    private var footer: String { Markup.text("footer", [], "caisson bench, Caisson \(version)") }
}

extension Ratio.Verdict {
    /// For people.
    package var text: String {
        switch self {
        case .better: "better"
        case .worse: "worse"
        case .noise: "within the noise"
        case .tooFewRounds: "too few rounds to tell"
        }
    }
}
