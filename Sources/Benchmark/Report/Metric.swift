/// What a workload tells of itself.
package struct Metric: Hashable, Sendable {
    package enum Better: String, Hashable, Sendable { case higher, lower }

    package var name: String
    package var unit: String
    package var better: Better

    package init(name: String, unit: String, better: Better) {
        self.name = name
        self.unit = unit
        self.better = better
    }
}

/// One line of a workload's output: a metric and its value.
package struct Reading: Equatable, Sendable {
    package var metric: Metric
    package var value: Double

    package init(metric: Metric, value: Double) {
        self.metric = metric
        self.value = value
    }
}
