import Benchmark
import CaissonOptions
import HostIO

/// A process of the host's, in the same root file system as everywhere else where this user may change a process's root.
struct PlainProcess: BenchEngine {
    let id = BenchmarkReport.baseline
    let kind = BenchmarkReport.Engine.Kind.process
    let program: (name: String, package: String)? = nil

    func ways(in space: BenchSpace, _ limits: BenchLimits) -> [EngineWay] {
        var notes = ["its memory is not limited"]
        if !space.isPrivate {
            notes.append("it sees the host's files: only root may change a process's root directory")
        }
        return [
            EngineWay(title: "process", notes: notes) { task throws(HostError) in
                var invocation = Invocation(task.words)
                invocation.environment = BenchTask.environment
                if space.isPrivate {
                    invocation.root = task.root.processFolder
                } else {
                    invocation.program = Self.resolve(task.words[0], in: task.root.folder)
                }
                return invocation
            }
        ]
    }

    /// The host's path of a program in a root file system, of which links may lead to paths in there.
    static func resolve(_ path: String, in root: String) -> String {
        var path = path
        // As many as Linux follows.
        for _ in 0..<40 {
            guard let target = HostFile.target(ofLink: root + path) else { break }
            path = target.hasPrefix("/") ? target : path[...(path.lastIndex(of: "/") ?? path.startIndex)] + target
        }
        return root + path
    }
}

/// bubblewrap: namespaces alone.
struct Bubblewrap: BenchEngine {
    let id = "bubblewrap"
    let kind = BenchmarkReport.Engine.Kind.container
    let program: (name: String, package: String)? = ("bwrap", "bubblewrap")

    func ways(in space: BenchSpace, _ limits: BenchLimits) -> [EngineWay] {
        [
            EngineWay(title: "bubblewrap", notes: ["its memory is not limited"]) { task throws(HostError) in
                var words = ["bwrap", "--die-with-parent", "--unshare-all", "--ro-bind", task.root.folder, "/"]
                words += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--chdir", "/", "--clearenv"]
                for word in BenchTask.environment {
                    let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                    words += ["--setenv", parts[0], parts[1]]
                }
                return Invocation(words + ["--"] + task.words)
            }
        ]
    }
}
