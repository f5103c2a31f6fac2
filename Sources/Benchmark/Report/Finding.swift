/// One metric of one workload, in all engines that have it: what a table or a plot shows.
package struct Finding: Equatable, Sendable {
    package struct Row: Equatable, Sendable {
        package var engine: BenchmarkReport.Engine
        package var samples: Samples
        package var interval: Interval
        /// To the plain process; nil for that itself, and where there is none.
        package var ratio: Ratio?
    }

    package var workload: Workload
    package var metric: Metric
    /// In the order of the report's engines.
    package var rows: [Row]
}

extension BenchmarkReport {
    /// All that there is to show, in the order of workloads and of their metrics.
    package var findings: [Finding] {
        workloads.flatMap { workload -> [Finding] in
            let own = series.filter { $0.workload == workload.name }
            var metrics: [Metric] = []
            for series in own where !metrics.contains(series.metric) { metrics.append(series.metric) }
            return metrics.map { finding(workload, $0, own) }
        }
    }

    private func finding(_ workload: Workload, _ metric: Metric, _ series: [Series]) -> Finding {
        let series = series.filter { $0.metric == metric }
        let baseline = series.first { $0.engine == Self.baseline }?.samples
        let rows = engines.compactMap { engine -> Finding.Row? in
            guard let samples = series.first(where: { $0.engine == engine.id })?.samples else { return nil }
            let ratio =
                engine.id == Self.baseline
                ? nil : baseline.flatMap { Ratio(samples, toPaired: $0, better: metric.better) }
            return Finding.Row(
                engine: engine, samples: samples, interval: Bootstrap.standard.interval(ofMedianOf: samples),
                ratio: ratio)
        }
        return Finding(workload: workload, metric: metric, rows: rows)
    }

    /// The first line of every report for people where guests' kernels are emulated.
    package var emulationWarning: String? {
        guard isSoftwareKVM == true else { return nil }
        return
            "This host's KVM has no hardware virtualization: guest kernel code is emulated, about a thousand times slower than "
            + "on hardware. What a machine costs here says little of what it costs elsewhere."
    }
}
