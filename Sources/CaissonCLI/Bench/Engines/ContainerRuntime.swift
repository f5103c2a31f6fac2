import Benchmark
import CaissonOptions
import HostIO

/// crun or runc: an OCI runtime by itself, with a bundle that is made for each task.
struct ContainerRuntime: BenchEngine {
    let id: String
    let kind = BenchmarkReport.Engine.Kind.container
    var program: (name: String, package: String)? { (id, id) }

    func ways(in space: BenchSpace, _ limits: BenchLimits) -> [EngineWay] {
        let limited = way(in: space, memory: limits.memory)
        let unlimited = way(in: space, memory: nil)
        return [limited, unlimited]
    }

    private func way(in space: BenchSpace, memory: UInt64?) -> EngineWay {
        EngineWay(title: id, notes: memory == nil ? ["its memory is not limited: no cgroup could be used"] : []) {
            task throws(HostError) in
            let bundle = try space.folder.folder("bundle-\(task.id)")
            let document = bundleDocument(task, memory: memory, cgroup: "\(space.cgroup)/\(task.id)")
            try HostFile.write(document.line, to: "\(bundle)/config.json")
            var program = [id, "--root", "\(space.folder.path)/\(id)"]
            // runc goes without cgroups by itself where there is no path of one.
            if memory == nil, id == "crun" { program.append("--cgroup-manager=disabled") }
            var invocation = Invocation(program + ["run", "--bundle", bundle, task.id])
            invocation.removal = [program + ["delete", "--force", task.id]]
            return invocation
        }
    }

    /// What the OCI runtime specification calls config.json.
    private func bundleDocument(_ task: BenchTask, memory: UInt64?, cgroup: String) -> JSONValue {
        func list(_ words: [String]) -> JSONValue { .array(words.map { .string($0) }) }
        func mount(_ place: String, _ type: String, _ options: [String]) -> JSONValue {
            .object([
                ("destination", .string(place)), ("type", .string(type)), ("source", .string(type)),
                ("options", list(options)),
            ])
        }
        let isRoot = HostProcess.userID == 0
        let kinds = ["pid", "network", "ipc", "uts", "mount"] + (isRoot ? [] : ["user"])
        var linux: [(key: String, value: JSONValue)] = [
            ("namespaces", .array(kinds.map { .object([("type", .string($0))]) }))
        ]
        if !isRoot {
            func own(_ number: UInt32) -> JSONValue {
                .array([
                    .object([("containerID", .integer(0)), ("hostID", .integer(UInt64(number))), ("size", .integer(1))])
                ])
            }
            linux += [("uidMappings", own(HostProcess.userID)), ("gidMappings", own(HostProcess.groupID))]
        }
        if let memory {
            linux += [
                ("cgroupsPath", .string(cgroup)),
                ("resources", .object([("memory", .object([("limit", .integer(memory))]))])),
            ]
        }
        let process: [(key: String, value: JSONValue)] = [
            ("terminal", .bool(false)), ("user", .object([("uid", .integer(0)), ("gid", .integer(0))])),
            ("args", list(task.words)), ("env", list(BenchTask.environment)), ("cwd", .string("/")),
        ]
        return .object([
            ("ociVersion", .string("1.0.0")), ("process", .object(process)),
            ("root", .object([("path", .string(task.root.folder)), ("readonly", .bool(true))])),
            ("hostname", .string("bench")),
            (
                "mounts",
                .array([
                    mount("/proc", "proc", []), mount("/dev", "tmpfs", ["nosuid", "mode=755"]),
                    mount("/dev/shm", "tmpfs", ["nosuid", "nodev", "mode=1777"]),
                    mount("/tmp", "tmpfs", ["nosuid", "nodev", "mode=1777"]),
                ])
            ),
            ("linux", .object(linux)),
        ])
    }
}
