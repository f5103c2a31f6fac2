/// A machine's doings over a short time, for people: rates a second, and its memory. 80 columns are enough for it.
struct StatisticsTable {
    /// Columns behind a name, right-aligned.
    private struct Layout {
        let nameWidth: Int
        let columnWidth: Int

        func line(_ name: String, _ columns: [String]) -> String {
            // Of a path, its end tells more.
            let short = name.count > nameWidth ? "…" + name.suffix(nameWidth - 1) : name
            return short + String(repeating: " ", count: nameWidth - short.count)
                + columns.map { String(repeating: " ", count: max(1, columnWidth - $0.count)) + $0 }.joined()
        }
    }

    private static let processors = Layout(nameWidth: 5, columnWidth: 8)
    private static let devices = Layout(nameWidth: 30, columnWidth: 11)

    /// Without a newline at the end.
    let text: String

    /// - Parameter change: what was done, by `VirtualMachineStatistics.since`.
    init(_ change: VirtualMachineStatistics, name: String) {
        let seconds = max(1e-3, Self.seconds(change.uptime))
        func rate(_ count: UInt64?) -> String {
            count.map { Self.decimal(Double($0) / seconds) } ?? "-"
        }
        func share(_ time: Duration) -> String { Self.percent(Self.seconds(time) / seconds) }

        var lines = [
            Self.processors.line(
                "vCPU", ["CPU", "ports", "memory", "kicks", "repairs", "exits", "halts", "wakes", "irqs"])
        ]
        for (index, processor) in change.processors.enumerated() {
            let kernel = processor.kernel
            lines.append(
                Self.processors.line(
                    "\(index)",
                    [share(processor.cpuTime)]
                        + [
                            processor.portAccesses, processor.memoryAccesses, processor.interruptions,
                            processor.repairs, kernel?.exits, kernel?.halts, kernel?.wakeUps, kernel?.interrupts,
                        ].map(rate)))
        }
        if !change.devices.isEmpty {
            lines.append(Self.devices.line("device", ["notified", "requests", "bytes", "interrupts"]))
        }
        for device in change.devices {
            let sum = device.queues.reduce(VirtualMachineStatistics.Queue()) { $0 + $1 }
            lines.append(
                Self.devices.line(device.name, [sum.notifications, sum.requests, sum.bytes, sum.interrupts].map(rate)))
        }
        let used = change.processors.reduce(Duration.zero) { $0 + $1.cpuTime }
        lines.append("other threads use \(share(change.processCPUTime - used)) of a processor")
        if let memory = change.memory {
            lines.append(
                "of \(Self.bytes(memory.size)) of memory \(Self.bytes(memory.resident)) are held, and "
                    + "\(Self.bytes(memory.proportionalBeside)) beside it")
        }
        text = "[\(name), in a second:]\n" + lines.map { "  \($0)" }.joined(separator: "\n")
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    private static func percent(_ share: Double) -> String { "\(tenths(share * 100))%" }

    /// With a unit that leaves at most four digits.
    static func decimal(_ number: Double) -> String {
        for (unit, factor) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] where number >= 10 * factor {
            return tenths(number / factor) + unit
        }
        return number < 10 && number > 0 ? tenths(number) : "\(UInt64(number.rounded()))"
    }

    static func bytes(_ count: UInt64) -> String {
        count >= 10 << 30 ? "\(count >> 30)G" : tenths(Double(count) / 1_048_576) + "M"
    }

    private static func tenths(_ number: Double) -> String {
        let tenths = UInt64(max(0, number * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
