import CaissonOptions
import HostIO
import ImageStore

/// Lets an error of the host's end the command.
func hosted<Value>(_ body: () throws(HostError) -> Value) throws(CommandError) -> Value {
    do { return try body() } catch { throw .failure("\(error)") }
}

/// Where a benchmark keeps what it needs meanwhile, and what it takes away in the end.
///
/// As root it is in memory and in a mount namespace of its own: nothing that is mounted shows elsewhere, and it ends with this process,
/// whatever ends that.
final class BenchSpace {
    let folder: TemporaryFolder
    /// Whether there is a mount namespace of its own, so that this user may also change a process's root directory.
    let isPrivate: Bool
    /// Apart from all others on this host.
    let name: String
    /// The parent of all cgroups of containers.
    var cgroup: String { "/\(name)" }

    private static let hybridCgroups = "/sys/fs/cgroup/unified"

    init() throws(HostError) {
        HostProcess.openStandardStreams()
        try HostProcess.adoptOrphans()
        name = "caisson-bench-\(HostProcess.ownID)"
        folder = try TemporaryFolder(name: "caisson-bench")
        var isPrivate = false
        if HostProcess.userID == 0 {
            do throws(HostError) {
                try HostProcess.leaveMounts()
                try TemporaryFolder.mount("tmpfs", at: folder.path, type: "tmpfs")
                // Where both versions of cgroups are mounted, crun uses none: it is shown the first alone.
                if HostFile.exists(Self.hybridCgroups) { TemporaryFolder.unmount(Self.hybridCgroups) }
                isPrivate = true
            } catch {
                // Without the right to, as in a container, it works as for any other user.
            }
        }
        self.isPrivate = isPrivate
    }

    /// Ends what still runs, and removes everything.
    func close() {
        HostProcess.endDescendants()
        // A container's cgroup goes with it; their parent does not, nor does the one of podman's monitors.
        if HostProcess.userID == 0 {
            try? run([
                "find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", "*/\(name)*", "-exec", "rmdir", "{}", "+",
            ])
        }
        folder.unmountAll()
        try? run(["rm", "-rf", "--one-file-system", folder.path])
    }

    /// Runs a program to its end.
    /// - Throws: `failure` with what it said first.
    func run(_ words: [String], environment: [String] = HostProcess.environment) throws(CommandError) {
        let (status, messages) = try hosted { () throws(HostError) in
            let messages = try CapturedOutput()
            let program = try ChildProgram(
                words[0], words, environment: environment, output: try CapturedOutput(), messages: messages)
            return (program.status(), messages.text())
        }
        guard status != 0 else { return }
        throw .failure(
            "\(words[0]): \(messages.split(separator: "\n").first.map { String($0).printable } ?? "it failed")")
    }
}
