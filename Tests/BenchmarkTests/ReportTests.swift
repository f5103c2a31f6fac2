import Testing

@testable import Benchmark

@Suite struct ReportTests {
    @Test func findingsCompareWithTheProcess() throws {
        let findings = SampleReport.make().findings
        try #require(findings.map(\.metric.name) == ["time", "rate"])
        #expect(findings[0].rows.map(\.engine.id) == ["process", "crun", "caisson"])
        #expect(findings[0].rows.map(\.ratio?.verdict) == [nil, .worse, .worse])
        #expect(findings[1].rows.map(\.ratio?.verdict) == [nil, .noise, .worse])
        #expect(findings[1].rows[2].ratio?.value == 2)
        #expect(findings[0].rows[0].samples.outlierCount == 1)
    }

    @Test func withoutAProcessThereIsNoRatio() {
        var report = SampleReport.make()
        report.series.removeAll { $0.engine == BenchmarkReport.baseline }
        #expect(report.findings.flatMap(\.rows).allSatisfy { $0.ratio == nil })
        #expect(report.findings.flatMap(\.rows).count == 4)
    }

    @Test func aComparisonShowsWhatChanged() throws {
        let before = SampleReport.make()
        var after = before
        after.series[1].samples = try #require(Samples([20, 21, 22, 20, 21, 20.5, 20.2]))
        after.series.removeLast()
        after.series.append(
            .init(
                workload: "fsync", engine: "crun", metric: .init(name: "time", unit: "ms", better: .lower),
                samples: before.series[0].samples))
        after.host[0].text = "Linux 6.19"
        after.host[1].text = "7.0"
        after.setup.memory = 512 << 20
        after.engines[1].version = "1.9"
        let comparison = Comparison(before, after)
        #expect(comparison.rows.map(\.ratio?.verdict) == [.noise, .worse, .noise, .noise, .noise])
        #expect(comparison.onlyBefore == ["start, rate, caisson"])
        #expect(comparison.onlyAfter == ["fsync, time, crun"])
        #expect(
            comparison.differences == [
                "memory: 256 MiB before, 512 MiB after", "kernel: Linux 6.18 before, Linux 6.19 after",
                "crun's version: 1.8 before, 1.9 after",
            ])
        #expect(Comparison(before, before).differences == [])
    }
}
