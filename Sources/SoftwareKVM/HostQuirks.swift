import CLinux
package import KVM

/// What a host's KVM leaves undone, as its behaviour showed. Empty on a KVM with hardware virtualization.
package struct HostQuirks: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Code outside CPL 3 runs in the kernel's instruction emulator.
    package static let kernelCodeIsEmulated = HostQuirks(rawValue: 1 << 0)
    /// SYSCALL goes to LSTAR but stays at CPL 3, so that its target's first fetch faults.
    package static let syscallKeepsPrivilegeLevel = HostQuirks(rawValue: 1 << 1)
    /// KVM accepts an LSTAR that is canonical with five page-table levels only, and with four SYSCALL then
    /// arrives as #GP: page faults and system calls can be told apart by their vector.
    package static let syscallCanArriveAsGeneralProtection = HostQuirks(rawValue: 1 << 2)
    /// `int n` in user mode raises #UD.
    package static let userInterruptIsInvalidOpcode = HostQuirks(rawValue: 1 << 3)

    /// Whether the machine needs repairs at all.
    package var needRepair: Bool { !isEmpty }

    /// What a host is likely to do before it was probed, by whether its processor tells of virtualization.
    package static let expected = HostQuirks(
        rawValue: caisson_processor_can_virtualize() == 1
            ? 0 : kernelCodeIsEmulated.rawValue | syscallKeepsPrivilegeLevel.rawValue)

    /// The MSRs whose accesses by the guest the machine's filter must bring to `HostRepair`; nil where none.
    package var interceptedMSRs: MSRFilter? {
        contains(.syscallKeepsPrivilegeLevel) ? SystemCallRepair.interceptedMSRs : nil
    }

    /// The quirks in order, with a name for machines and a line for people.
    package static let all: [(quirk: HostQuirks, name: String, explanation: String)] = [
        (
            .kernelCodeIsEmulated, "kernel-code-is-emulated",
            "guest kernel code is emulated, about 0.35 to 1 µs an instruction; user code runs at hardware speed"
        ),
        (
            .syscallKeepsPrivilegeLevel, "syscall-keeps-privilege-level",
            "SYSCALL does not enter the guest's kernel by itself; Caisson completes it, at about 10 µs each"
        ),
        (
            .syscallCanArriveAsGeneralProtection, "syscall-can-arrive-as-general-protection",
            "SYSCALL can be told apart from page faults, which therefore cost nothing extra"
        ),
        (
            .userInterruptIsInvalidOpcode, "user-interrupt-is-invalid-opcode",
            "int n in user mode raises #UD; Caisson delivers the interrupt"
        ),
    ]

    /// The names of the quirks in this set.
    package var names: [String] { Self.all.filter { contains($0.quirk) }.map(\.name) }
}
