import KVM

/// A capability of the host's KVM, and what Caisson does with it.
package struct CapabilityFinding: Equatable, Sendable {
    /// The kernel's name for it.
    package var name: String
    /// Whether there is no machine without it.
    package var isRequired: Bool
    /// 0 where it is absent, otherwise 1 or the number it stands for.
    package var value: Int
    package var purpose: String

    package var isPresent: Bool { value > 0 }

    static func all(of system: borrowing KVMSystem) -> [CapabilityFinding] {
        func finding(_ entry: (capability: Capability, name: String), isRequired: Bool) -> CapabilityFinding {
            CapabilityFinding(
                name: entry.name, isRequired: isRequired, value: system.value(of: entry.capability),
                purpose: purposes[entry.capability] ?? "")
        }
        var findings: [CapabilityFinding] = []
        for entry in Capability.required { findings.append(finding(entry, isRequired: true)) }
        for entry in Capability.useful { findings.append(finding(entry, isRequired: false)) }
        return findings
    }

    static let purposes: [Capability: String] = [
        .userMemory: "guest RAM is this process's memory",
        .irqchip: "interrupt controllers in the kernel",
        .pit2: "the PC's timer in the kernel",
        .extendedCPUID: "deciding which features a guest sees",
        .irqRouting: "which interrupt goes where",
        .immediateExit: "stopping a processor without a race",
        .irqfd: "devices interrupt a guest without stopping it",
        .ioeventfd: "a guest rings a device's bell without stopping",
        .ioeventfdAnyLength: "such bells for a write of any size",
        .signalMSI: "interrupts as messages",
        .splitIRQChip: "IOAPIC and PIC outside of the kernel",
        .syncRegisters: "registers without a system call of their own",
        .userSpaceMSR: "answering for registers that KVM does not know",
        .msrFilter: "seeing a guest write chosen registers",
        .tscDeadlineTimer: "timers by the time-stamp counter",
        .adjustClock: "stopping a guest's clock with it",
        .guestDebug: "breakpoints and single steps",
        .vcpuEvents: "exceptions in flight: saving, and repairs",
        .xsave: "vector registers: saving, and repairs",
        .internalErrorData: "the bytes of what KVM cannot execute",
        .dirtyLogRing: "following what a guest writes, quickly",
    ]
}
