import Caisson

extension Diagnosis {
    /// For people.
    var text: String {
        var sections = [hostSection]
        sections += kvmSections
        sections.append(installationSection)
        sections.append(verdict)
        return sections.joined(separator: "\n\n")
    }

    private static func section(_ title: String, _ rows: [(String, String)]) -> String {
        let width = (rows.map(\.0.count).max() ?? 0) + 2
        let lines = rows.map { label, text in
            "  \(label)\(String(repeating: " ", count: width - label.count))\(text)"
        }
        return ([title] + lines).joined(separator: "\n")
    }

    private var hostSection: String {
        let processor = host.processor
        let virtualization =
            processor.hasVMX ? "with VT-x" : processor.hasSVM ? "with AMD-V" : "without VT-x or AMD-V"
        let kind = processor.isVirtual ? ", in a virtual machine" : ""
        return Self.section(
            "Host",
            [
                ("kernel", host.kernel.map { "Linux \($0)" } ?? "unknown"),
                ("processor", "\(processor.count) x \(processor.model ?? "unknown"), \(virtualization)\(kind)"),
                (
                    "memory",
                    host.memory.map { "\(Self.gigabytes($0.total)), \(Self.gigabytes($0.available)) available" }
                        ?? "unknown"
                ),
            ])
    }

    /// With one decimal, rounded down.
    private static func gigabytes(_ bytes: UInt64) -> String {
        "\(bytes >> 30).\(((bytes & 0x3fff_ffff) * 10) >> 30) GiB"
    }

    private var kvmSections: [String] {
        var rows = [("device", host.device)]
        if !host.modules.isEmpty { rows.append(("modules", host.modules.joined(separator: ", "))) }
        guard let kvm = host.kvm else { return [Self.section("KVM", rows + [("state", "cannot be opened")])] }
        rows.append(("API", "version \(kvm.apiVersion)"))
        rows.append(("kind", Self.kind(of: kvm)))
        rows.append(
            (
                "processors",
                "up to \(kvm.recommendedProcessors) a machine recommended, \(kvm.maximumProcessors) possible"
            ))
        rows.append(("memory slots", "\(kvm.memorySlots)"))
        var sections = [Self.section("KVM", rows)]
        if let quirks = kvm.quirks, !quirks.isEmpty {
            sections.append(Self.section("What this KVM does differently", quirks.map { ("-", $0.explanation) }))
        }
        if !kvm.instructions.isEmpty {
            sections.append(Self.section("Instructions in guest kernels", Self.instructionRows(kvm.instructions)))
        }
        let states = kvm.capabilities.map { capability in
            (
                capability.isPresent ? "yes" : capability.isRequired ? "MISSING" : "no",
                capability.name + String(repeating: " ", count: max(1, 32 - capability.name.count))
                    + capability.purpose + (capability.isRequired ? " (needed)" : "")
            )
        }
        sections.append(Self.section("Capabilities", states))
        return sections
    }

    private static func instructionRows(_ all: [HostReport.Instruction]) -> [(String, String)] {
        let groups: [(HostReport.Instruction.Outcome, String)] = [
            (.completed, "completed by Caisson"), (.refused, "refused with an exception"),
            (.notOffered, "not offered to guests"), (.missing, "MISSING: they end a guest"),
        ]
        return groups.compactMap { outcome, title in
            let names = all.filter { $0.outcome == outcome }.map(\.name)
            return names.isEmpty ? nil : (title, names.joined(separator: ", "))
        }
    }

    private static func kind(of kvm: HostReport.KVM) -> String {
        switch kvm.isSoftware {
        case true?: "software: it does not use hardware virtualization"
        case false?: "hardware virtualization"
        case nil: "unknown: no machine could be tried"
        }
    }

    private var installationSection: String {
        Self.section(
            "Caisson \(Version.current)",
            [
                ("program", installation.programProblem?.what ?? installation.program ?? "unknown"),
                ("default guest", installation.guestProblem ?? installation.guest ?? "unknown"),
            ])
    }

    private var verdict: String {
        guard canRun else {
            let lines = problems.flatMap { ["  \($0.what)"] + ($0.advice.map { ["  -> \($0)"] } ?? []) }
            return (["Machines cannot run here:"] + lines).joined(separator: "\n")
        }
        var lines =
            host.kvm?.isSoftware == true
            ? [
                "Machines can run here. Programs in them run at full speed, their kernels about a thousand times slower:",
                "boots and system calls take time.",
            ] : ["Machines can run here, at full speed."]
        if installation.guestProblem != nil { lines.append("Without a default guest, `caisson run` needs --kernel.") }
        return lines.joined(separator: "\n")
    }
}
