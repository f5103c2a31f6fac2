/// What one run of the benchmark found, and how.
package struct BenchmarkReport: Equatable, Sendable {
    /// Where workloads run.
    package struct Engine: Equatable, Sendable {
        package enum Kind: String, Sendable { case process, container, machine }

        /// By which it is asked for.
        package var id: String
        package var title: String
        package var kind: Kind
        package var version: String?
        /// What was not as for the others, a line each.
        package var notes: [String]

        package init(id: String, title: String, kind: Kind, version: String? = nil, notes: [String] = []) {
            self.id = id
            self.title = title
            self.kind = kind
            self.version = version
            self.notes = notes
        }
    }

    /// An engine that did not take part.
    package struct Omission: Equatable, Sendable {
        package var engine: String
        package var reason: String

        package init(engine: String, reason: String) {
            self.engine = engine
            self.reason = reason
        }
    }

    /// A workload that an engine could not run to its end in every round. None of its figures count.
    package struct Failure: Equatable, Sendable {
        package var workload: String
        package var engine: String
        package var problem: String

        package init(workload: String, engine: String, problem: String) {
            self.workload = workload
            self.engine = engine
            self.problem = problem
        }
    }

    /// One metric of one workload in one engine.
    package struct Series: Equatable, Sendable {
        package var workload: String
        package var engine: String
        package var metric: Metric
        package var samples: Samples

        package init(workload: String, engine: String, metric: Metric, samples: Samples) {
            self.workload = workload
            self.engine = engine
            self.metric = metric
            self.samples = samples
        }
    }

    package struct Setup: Equatable, Sendable {
        /// When it began, as `2026-11-28 01:02:03 UTC`.
        package var begin: String
        package var rounds: Int
        package var warmups: Int
        /// The host's, by number.
        package var processors: [Int]
        /// Bytes.
        package var memory: UInt64
        package var isQuick: Bool

        package init(
            begin: String, rounds: Int, warmups: Int, processors: [Int], memory: UInt64, isQuick: Bool
        ) {
            self.begin = begin
            self.rounds = rounds
            self.warmups = warmups
            self.processors = processors
            self.memory = memory
            self.isQuick = isQuick
        }
    }

    /// Something about the host, for people.
    package struct Fact: Equatable, Sendable {
        package var label: String
        package var text: String

        package init(_ label: String, _ text: String) {
            self.label = label
            self.text = text
        }
    }

    /// The engine that the others are compared with.
    package static let baseline = "process"

    package var setup: Setup
    package var host: [Fact]
    /// Whether the host's KVM emulates guests' kernel code; nil where there is no KVM or it could not be tried.
    package var isSoftwareKVM: Bool?
    package var engines: [Engine]
    package var omissions: [Omission]
    package var workloads: [Workload]
    package var series: [Series]
    package var failures: [Failure]

    package init(
        setup: Setup, host: [Fact], isSoftwareKVM: Bool?, engines: [Engine], omissions: [Omission],
        workloads: [Workload],
        series: [Series], failures: [Failure]
    ) {
        self.setup = setup
        self.host = host
        self.isSoftwareKVM = isSoftwareKVM
        self.engines = engines
        self.omissions = omissions
        self.workloads = workloads
        self.series = series
        self.failures = failures
    }

    package func engine(_ id: String) -> Engine? { engines.first { $0.id == id } }
}
