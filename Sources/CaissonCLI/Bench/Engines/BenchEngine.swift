import Benchmark
import CaissonOptions
import HostIO

/// What runs workloads: a plain process, a container's runtime, a virtual machine's monitor.
protocol BenchEngine {
    /// By which it is asked for, and known in reports.
    var id: String { get }
    var kind: BenchmarkReport.Engine.Kind { get }
    /// The program that has to be there, and Debian's package of it; nil where nothing has to.
    var program: (name: String, package: String)? { get }
    /// How it may be started here, the most wanted way first. The first one that runs /bin/true is used.
    func ways(in space: BenchSpace, _ limits: BenchLimits) throws(CommandError) -> [EngineWay]
}

/// What all engines are given alike.
struct BenchLimits: Equatable {
    /// The host's, by number.
    var processors: [Int]
    /// Bytes.
    var memory: UInt64
}

/// One way to start an engine.
struct EngineWay {
    var title: String
    /// What is not as for the other engines, a line each.
    var notes: [String] = []
    /// Prepares what a task needs, and tells how it is started.
    var prepare: (BenchTask) throws(HostError) -> Invocation
}

/// A command to run once.
struct BenchTask {
    /// No other task of this user's has it at the same time. A name for containers, machines and cgroups.
    var id: String
    /// The command, the program's path in `root` first.
    var words: [String]
    var root: BenchRoot

    /// The environment of all commands.
    static let environment = ["PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp"]
    /// What every engine has to be able to run.
    static let nothing = ["/bin/true"]
}

/// How a task is started on the host.
struct Invocation {
    var program: String
    /// Its arguments, its name first.
    var words: [String]
    var environment: [String] = HostProcess.environment
    /// Its root directory; nil for the host's.
    var root: String?
    /// Whether the output is a guest's console, which ends with a line that tells the command's exit status.
    var isConsole = false
    /// What in its messages means that it will never end.
    var signOfFailure: String?
    /// Commands that remove what is left of it, if it was killed.
    var removal: [[String]] = []

    init(_ words: [String]) {
        program = words[0]
        self.words = words
    }

    /// Gives a variable another value.
    mutating func set(_ name: String, to value: String) {
        environment.removeAll { $0.hasPrefix("\(name)=") }
        environment.append("\(name)=\(value)")
    }

    /// Begins the last line of such a console.
    static let statusMark = "caisson-bench-status "
}

/// All that there are.
enum BenchEngines {
    /// In the order in which reports show them.
    static var all: [any BenchEngine] {
        [
            PlainProcess(), Bubblewrap(), ContainerRuntime(id: "crun"), ContainerRuntime(id: "runc"), Podman(),
            CaissonMachine(), QEMUMachine(),
        ]
    }
}
