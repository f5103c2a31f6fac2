import CLinux

/// One thing that a guest's CPUID says otherwise than KVM would, and why.
struct CPUIDRule: Sendable {
    enum Register: Sendable { case eax, ebx, ecx, edx }

    enum Host: Sendable {
        case any
        /// Only where guest kernel code is emulated.
        case emulating
    }

    let leaf: UInt32
    /// Nil for all of the leaf's subleaves.
    var subleaf: UInt32?
    let register: Register
    /// Bits that the guest does not see.
    let hidden: UInt32
    var host = Host.any
    let reason: String

    /// Bits are numbered as in Intel SDM 2, CPUID, and AMD APM 3, appendix E; those of leaf 0x40000001 as in Linux,
    /// Documentation/virt/kvm/x86/cpuid.rst.
    static let all: [CPUIDRule] = [
        CPUIDRule(
            leaf: 1, register: .ecx, hidden: bits(2, 4, 7, 8, 10, 14, 15, 18),
            reason: "debug store, thermal and power control, perfmon capabilities: their registers are not there"),
        CPUIDRule(
            leaf: 1, register: .ecx, hidden: bits(3),
            reason: "MONITOR: MWAIT would leave the guest, HLT does so at less cost"),
        CPUIDRule(
            leaf: 1, register: .ecx, hidden: bits(5, 6),
            reason: "VMX, SMX: no virtual machines inside the machine; the vCPU's state lacks what they add"),
        CPUIDRule(
            leaf: 1, register: .ecx, hidden: bits(27), reason: "OSXSAVE: follows the guest's CR4, KVM sets it"),
        CPUIDRule(
            leaf: 1, register: .edx, hidden: bits(21, 22, 29, 31),
            reason: "debug store and thermal monitor: their registers are not there"),
        CPUIDRule(
            leaf: 6, register: .eax, hidden: ~bits(2),
            reason: "power management is the host's; that the local APIC's timer never stops (ARAT) is true"),
        CPUIDRule(leaf: 6, register: .ebx, hidden: .max, reason: "power management is the host's"),
        CPUIDRule(leaf: 6, register: .ecx, hidden: .max, reason: "power management is the host's"),
        CPUIDRule(
            leaf: 7, subleaf: 0, register: .ebx, hidden: bits(2, 12, 15, 25),
            reason: "SGX, resource control and processor trace: not virtualized"),
        CPUIDRule(
            leaf: 7, subleaf: 0, register: .edx, hidden: bits(15, 18),
            reason: "hybrid processors and PCONFIG: the host's scheduler moves vCPUs between kinds of cores"),
        CPUIDRule(leaf: 0xa, register: .eax, hidden: .max, reason: noCounters),
        CPUIDRule(leaf: 0xa, register: .ebx, hidden: .max, reason: noCounters),
        CPUIDRule(leaf: 0xa, register: .ecx, hidden: .max, reason: noCounters),
        CPUIDRule(leaf: 0xa, register: .edx, hidden: .max, reason: noCounters),
        CPUIDRule(leaf: 0x12, register: .eax, hidden: .max, reason: "SGX is hidden"),
        CPUIDRule(leaf: 0x14, register: .eax, hidden: .max, reason: "processor trace is hidden"),
        CPUIDRule(leaf: 0x14, register: .ebx, hidden: .max, reason: "processor trace is hidden"),
        CPUIDRule(
            leaf: 0x4000_0001, register: .eax, hidden: bits(15),
            reason: "extended destinations of messages: the kernel's IOAPIC does not read them"),
        CPUIDRule(
            leaf: 0x8000_0001, register: .ecx, hidden: bits(2, 23, 24, 28),
            reason: "SVM and AMD's performance counters: as VMX and the counters above"),

        CPUIDRule(
            leaf: 1, register: .ecx, hidden: bits(13), host: .emulating,
            reason: "CMPXCHG16B: the emulator lacks it, and Linux's allocators use it where it is shown"),
        CPUIDRule(
            leaf: 1, register: .ecx, hidden: bits(23), host: .emulating,
            reason: "POPCNT: the emulator lacks it; whether KVM lets it be hidden shows which host this is"),
        CPUIDRule(
            leaf: 7, subleaf: 0, register: .ebx, hidden: bits(24), host: .emulating,
            reason: "CLWB: the emulator lacks it"),
        CPUIDRule(
            leaf: 0x4000_0001, register: .eax, hidden: bits(7, 11, 13, 16, 17), host: .emulating,
            reason: "they are hypercalls, and VMCALL in emulated code never returns"),
    ]

    private static let noCounters = "performance counters: not virtualized, they would cost time at each entry"

    private static func bits(_ numbers: UInt32...) -> UInt32 { numbers.reduce(0) { $0 | 1 << $1 } }

    func applies(to entry: kvm_cpuid_entry2, hostEmulates: Bool) -> Bool {
        entry.function == leaf && (subleaf == nil || entry.index == subleaf) && (host == .any || hostEmulates)
    }

    func apply(to entry: inout kvm_cpuid_entry2) {
        switch register {
        case .eax: entry.eax &= ~hidden
        case .ebx: entry.ebx &= ~hidden
        case .ecx: entry.ecx &= ~hidden
        case .edx: entry.edx &= ~hidden
        }
    }
}
