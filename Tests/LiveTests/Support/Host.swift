import Foundation

/// The host's processors, as this process sees them.
enum Host {
    /// The last of those that it may use; nil where there is one only.
    static var lastOfSeveralProcessors: Int? {
        guard let list = processors(of: "self"), Int(list) == nil else { return nil }
        return list.split { "-,".contains($0) }.last.flatMap { Int($0) }
    }

    /// The names of this process's threads that may run on that one only, without those that KVM makes: they stay where
    /// the first virtual processor ran first.
    static func threads(on processor: Int) -> [String] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return tasks.filter { processors(of: "self/task/\($0)") == "\(processor)" }.map {
            (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) ?? ""
        }.filter { !$0.hasPrefix("kvm-") }
    }

    /// The virtual machines of the kernel's that this process has open.
    static var kernelMachines: Int {
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return descriptors.count {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == "anon_inode:kvm-vm"
        }
    }

    private static func processors(of task: String) -> String? {
        let field = "Cpus_allowed_list:\t"
        let status = try? String(contentsOfFile: "/proc/\(task)/status", encoding: .utf8)
        return status?.split(separator: "\n").first { $0.hasPrefix(field) }.map { String($0.dropFirst(field.count)) }
    }
}
