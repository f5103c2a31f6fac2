import Benchmark
import CaissonOptions
import HostIO

/// podman: containers as people start them every day. Its storage and settings are the benchmark's own.
struct Podman: BenchEngine {
    let id = "podman"
    let kind = BenchmarkReport.Engine.Kind.container
    let program: (name: String, package: String)? = ("podman", "podman")

    /// Where a process's own limits cannot be raised, podman has to be told not to try.
    private static let ulimits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
    private static let ulimitNote = "its limits of open files and processes are low: hard limits cannot be raised here"
    private static let memoryNote = "its memory is not limited: no cgroup could be used"

    func ways(in space: BenchSpace, _ limits: BenchLimits) -> [EngineWay] {
        let cgroup = HostProcess.userID == 0 ? ["--cgroup-parent", space.cgroup] : []
        let memory = cgroup + ["--memory", "\(limits.memory)"]
        let none = ["--cgroups=disabled"]
        return [
            way(in: space, memory, []), way(in: space, memory + Self.ulimits, [Self.ulimitNote]),
            way(in: space, none, [Self.memoryNote]),
            way(in: space, none + Self.ulimits, [Self.memoryNote, Self.ulimitNote]),
        ]
    }

    private func way(in space: BenchSpace, _ options: [String], _ notes: [String]) -> EngineWay {
        EngineWay(title: "podman", notes: notes) { task throws(HostError) in
            let place = "\(space.folder.path)/podman"
            let program = [
                "podman", "--root", "\(place)-storage", "--runroot", "\(place)-run", "--tmpdir", "\(place)-tmp",
                "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
                "--log-level", "error",
            ]
            let environment = BenchTask.environment.flatMap { ["--env", $0] }
            var invocation = Invocation(
                program + ["run", "--rm", "--name", task.id, "--network=none", "--read-only"] + options + environment
                    + ["--rootfs", task.root.folder] + task.words)
            // What it keeps of a user's, it is not to leave there.
            for (name, folder) in [("HOME", "home"), ("XDG_RUNTIME_DIR", "runtime"), ("TMPDIR", "temporary")] {
                invocation.set(name, to: try space.folder.folder("podman-\(folder)"))
            }
            invocation.removal = [program + ["rm", "--force", "--time", "0", "--ignore", task.id]]
            return invocation
        }
    }
}
