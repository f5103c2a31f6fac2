@testable import Benchmark

/// A report that was never measured.
enum SampleReport {
    private static func samples(_ values: [Double]) -> Samples {
        guard let samples = Samples(values) else { preconditionFailure("no samples: \(values)") }
        return samples
    }

    static func make(software: Bool? = false, hostile word: String = "") -> BenchmarkReport {
        let engines = [
            BenchmarkReport.Engine(id: "process", title: "process", kind: .process),
            BenchmarkReport.Engine(
                id: "crun", title: "crun\(word)", kind: .container, version: "1.8\(word)", notes: ["a note\(word)"]),
            BenchmarkReport.Engine(id: "caisson", title: "Caisson", kind: .machine),
        ]
        let time = Metric(name: "time\(word)", unit: "ms\(word)", better: .lower)
        let rate = Metric(name: "rate", unit: "1/s", better: .higher)
        func series(_ engine: String, _ metric: Metric, _ values: [Double]) -> BenchmarkReport.Series {
            .init(workload: "start", engine: engine, metric: metric, samples: samples(values))
        }
        return BenchmarkReport(
            setup: .init(
                begin: "2026-11-28 01:02:03 UTC\(word)", rounds: 7, warmups: 1, processors: [1], memory: 256 << 20,
                isQuick: false),
            host: [.init("kernel\(word)", "Linux 6.18\(word)"), .init(BenchmarkReport.Fact.load, "0.1")],
            isSoftwareKVM: software,
            engines: engines, omissions: [.init(engine: "podman\(word)", reason: "not installed\(word)")],
            workloads: [Workload(name: "start", group: "lifecycle", summary: "from start to exit\(word)")],
            series: [
                series("process", time, [1, 1.1, 1.05, 1.02, 1, 1.01, 9]),
                series("crun", time, [10, 11, 12, 10, 11, 10.5, 10.2]),
                series("caisson", time, [900, 950, 910, 905, 990, 901, 902]),
                series("process", rate, [100, 101, 99, 102, 100, 98, 100]),
                series("crun", rate, [100, 99, 101, 100, 102, 100, 98]),
                series("caisson", rate, [50, 51, 49, 50, 50, 52, 48]),
            ], failures: [.init(workload: "fsync\(word)", engine: "crun", problem: "no space\(word)")])
    }
}
