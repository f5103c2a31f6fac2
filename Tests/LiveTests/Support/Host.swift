import Foundation

/// The host's processors, as this process sees them.
enum Host {
    /// The last of those that it may use; nil where there is one only.
    static var lastOfSeveralProcessors: Int? {
        guard let list = processors(of: "self"), Int(list) == nil else { return nil }
        return list.split { "-,".contains($0) }.last.flatMap { Int($0) }
    }

    /// How many of this process's threads may run on that one only.
    static func threads(on processor: Int) -> Int {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return tasks.count { processors(of: "self/task/\($0)") == "\(processor)" }
    }

    private static func processors(of task: String) -> String? {
        let field = "Cpus_allowed_list:\t"
        let status = try? String(contentsOfFile: "/proc/\(task)/status", encoding: .utf8)
        return status?.split(separator: "\n").first { $0.hasPrefix(field) }.map { String($0.dropFirst(field.count)) }
    }
}
