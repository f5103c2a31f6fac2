import Benchmark
import Caisson
import HostIO

/// What figures depend on besides the engines.
struct HostFacts {
    private(set) var facts: [BenchmarkReport.Fact] = []
    /// Nil where no machine could be tried.
    private(set) var isSoftwareKVM: Bool?

    init() {
        let host = HostReport()
        let virtual = host.processor.isVirtual ? ", itself in a virtual machine" : ""
        facts.append(.init("processor", "\(host.processor.count) x \(host.processor.model ?? "unknown")\(virtual)"))
        isSoftwareKVM = host.kvm?.isSoftware
        let kind =
            switch isSoftwareKVM {
            case true?: "software: guest kernel code is emulated"
            case false?: "hardware virtualization"
            case nil: host.problem?.what ?? "unknown"
            }
        facts.append(.init("KVM", kind))
        facts.append(.init("kernel", host.kernel.map { "Linux \($0)" } ?? "unknown"))
        if let memory = host.memory { facts.append(.init("memory", "\(memory.total >> 20) MiB")) }
        facts.append(.init("cgroups", Self.cgroups))
        if let governor = Self.line(of: "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") {
            facts.append(.init("frequency governor", governor))
        }
        if let load = Self.line(of: "/proc/loadavg") {
            let averages = load.split(separator: " ").prefix(3).joined(separator: ", ")
            facts.append(.init(BenchmarkReport.Fact.load, "\(averages) in the last 1, 5 and 15 minutes before"))
        }
        facts.append(.init("files", "in memory (tmpfs) in every engine: no disk takes part"))
    }

    private static func line(of path: String) -> String? {
        (try? HostFile.text(of: path, limit: 4096))?.split(whereSeparator: \.isNewline).first.map(String.init)
    }

    private static var cgroups: String {
        if HostFile.exists("/sys/fs/cgroup/cgroup.controllers") { return "version 2" }
        return HostFile.exists("/sys/fs/cgroup/memory") ? "version 1" : "none"
    }
}

/// The time of day in Greenwich, as `2026-11-28 01:02:03 UTC`.
enum UTCTime {
    /// - Parameter seconds: since 1970.
    static func text(_ seconds: Int) -> String {
        let day = Int((Double(seconds) / 86_400).rounded(.down))
        let rest = seconds - day * 86_400
        let (year, month, date) = civil(day)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(year)-\(two(month))-\(two(date)) \(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60)) UTC"
    }

    /// The Gregorian calendar's date of a day since 1970-01-01. Years are counted from March here, so that a leap day is the last.
    private static func civil(_ day: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        return (
            yearOfEra + era * 400 + (month >= 10 ? 1 : 0), month < 10 ? month + 3 : month - 9,
            dayOfYear - (153 * month + 2) / 5 + 1
        )
    }
}
