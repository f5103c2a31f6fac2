import Benchmark
import CaissonOptions
import HostIO
import SystemPackage

/// What `guest-images/workloads/build` makes: root file systems with programs to measure.
struct WorkloadFolder {
    /// The group of those that run in a root file system of their own, with what they need of a distribution.
    static let applicationGroup = "application"

    /// The static root file system: a directory or a tar archive.
    let base: String
    /// The one with a distribution's programs, if there is one.
    let applications: String?

    /// Nil where there is no root file system.
    init?(path: String) {
        func first(_ names: [String]) -> String? { names.map { "\(path)/\($0)" }.first(where: HostFile.exists) }
        guard let base = first(["root", "root.tar"]) else { return nil }
        self.base = base
        applications = first(["apps", "apps.tar"])
    }

    /// The folder that is named; or that of $CAISSON_WORKLOADS, the one that was installed with this program, or the one that was built last.
    static func locate(_ named: String?) throws(CommandError) -> WorkloadFolder {
        if let path = named ?? HostProcess.environment("CAISSON_WORKLOADS") {
            guard let folder = WorkloadFolder(path: path) else {
                throw .failure("\(path) has no workloads: there is neither root nor root.tar in it")
            }
            return folder
        }
        if let folder = candidates.lazy.compactMap({ WorkloadFolder(path: $0) }).first { return folder }
        let places = candidates.joined(separator: " nor in ")
        throw .failure(
            "there are no workloads in \(places): build them by guest-images/workloads/build, or name them by --workloads"
        )
    }

    private static var candidates: [String] {
        let installed = HostProcess.executablePath.map { own in
            FilePath(own).removingLastComponent().removingLastComponent().appending("share/caisson/workloads").string
        }
        let cache =
            HostProcess.environment("CAISSON_CACHE")
            ?? HostProcess.environment("XDG_CACHE_HOME").map { "\($0)/caisson" }
            ?? HostProcess.environment("HOME").map { "\($0)/.cache/caisson" }
        return [installed, cache.map { "\($0)/workloads/default" }].compactMap { $0 }
    }
}

/// What is measured from outside, with nothing but a shell in the root file system.
extension Workload {
    static let start = Workload(
        name: "start", group: "lifecycle",
        summary: "from the start of /bin/true to its exit, whatever has to be set up and taken down for it")
    static let idleMemory = Workload(
        name: "idle-memory", group: "lifecycle",
        summary:
            "memory that one of several idle instances holds on the host, processes of the engine included (proportional set size)"
    )
    static let outside = [start, idleMemory]
}
