import CLinux
import KVM

/// What CPUID tells a guest: what the host's KVM supports, less what `CPUIDRule.all` hides, with the machine's own
/// topology and frequencies.
struct ProcessorIdentity: Sendable {
    /// KVM's `KVM_GET_SUPPORTED_CPUID`.
    let supported: [kvm_cpuid_entry2]
    /// Processors of the machine: cores of one package, one thread each.
    let processorCount: Int
    /// Whether the local APIC's timer can be set to a time-stamp.
    let hasDeadlineTimer: Bool

    /// The frequency that KVM's local APIC timer counts with.
    private static let localAPICFrequency: UInt32 = 1_000_000
    private static let hypervisorBase: UInt32 = 0x4000_0000
    private static let frequencies: UInt32 = 0x4000_0010

    /// Gives a vCPU, before its first run, the leaves of the processor with local APIC ID `index`.
    /// - Throws: `requestFailed`.
    func install(on vcpu: borrowing VCPU, index: Int) throws(KVMError) {
        // KVM may not know the frequency.
        let frequency = (try? vcpu.timeStampFrequency()) ?? 0
        try vcpu.setCPUID(entries(for: index, timeStampFrequency: frequency, hostEmulates: true))
        // Where user mode runs without hardware virtualization it executes the processor's own CPUID, and KVM shows
        // what that shows: what was hidden is there again.
        if try !Self.hasPopulationCount(vcpu.cpuid()) {
            try vcpu.setCPUID(entries(for: index, timeStampFrequency: frequency, hostEmulates: false))
        }
    }

    private static func hasPopulationCount(_ entries: [kvm_cpuid_entry2]) -> Bool {
        entries.contains { $0.function == 1 && $0.ecx & 1 << 23 != 0 }
    }

    /// The leaves of the processor with local APIC ID `index`.
    /// - Parameters:
    ///   - timeStampFrequency: of the guest's time-stamp counter, in kHz; 0 if unknown.
    ///   - hostEmulates: whether guest kernel code is emulated.
    func entries(for index: Int, timeStampFrequency: UInt32, hostEmulates: Bool) -> [kvm_cpuid_entry2] {
        var entries: [kvm_cpuid_entry2] = []
        for var entry in supported where !isReplaced(entry) {
            for rule in CPUIDRule.all where rule.applies(to: entry, hostEmulates: hostEmulates) {
                rule.apply(to: &entry)
            }
            complete(&entry, UInt32(index), timeStampFrequency)
            entries.append(entry)
        }
        // A processor without x2APIC topology leaves keeps what leaf 1 says.
        let highest = supported.first { $0.function == 0 }?.eax ?? 0
        for leaf: UInt32 in [0xb, 0x1f] where highest >= leaf {
            entries += topology(leaf, UInt32(index))
        }
        if timeStampFrequency > 0, supported.contains(where: { $0.function == Self.hypervisorBase }) {
            var entry = kvm_cpuid_entry2()
            entry.function = Self.frequencies
            entry.eax = timeStampFrequency
            entry.ebx = Self.localAPICFrequency
            entries.append(entry)
        }
        return entries
    }

    private func isReplaced(_ entry: kvm_cpuid_entry2) -> Bool {
        entry.function == 0xb || entry.function == 0x1f || entry.function == Self.frequencies
    }

    private func complete(_ entry: inout kvm_cpuid_entry2, _ index: UInt32, _ timeStampFrequency: UInt32) {
        let count = UInt32(processorCount)
        switch entry.function {
        case 1:
            // Initial APIC ID, and processors in the package; HTT says that the latter is valid.
            entry.ebx = entry.ebx & 0xffff | min(count, 255) << 16 | index << 24
            entry.edx = entry.edx & ~(1 << 28) | (count > 1 ? 1 << 28 : 0)
            entry.ecx |= 1 << 31
            if hasDeadlineTimer { entry.ecx |= 1 << 24 }
        case 4 where entry.eax & 0x1f != 0:
            // First and second level caches belong to a core, the third to the package.
            let level = entry.eax >> 5 & 7
            let sharing = level >= 3 ? count - 1 : 0
            entry.eax = entry.eax & 0x3fff | min(sharing, 0xfff) << 14 | min(count - 1, 0x3f) << 26
        case Self.hypervisorBase where timeStampFrequency > 0:
            entry.eax = max(entry.eax, Self.frequencies)
        case 0x8000_0001:
            // AMD: the processors of the package are cores.
            entry.ecx = entry.ecx & ~(1 << 1) | (count > 1 ? 1 << 1 : 0)
        case 0x8000_0008 where entry.ecx != 0:
            entry.ecx = entry.ecx & ~0xf0ff | (count - 1) & 0xff | idBits << 12
        case 0x8000_001d where entry.eax & 0x1f != 0:
            let level = entry.eax >> 5 & 7
            entry.eax = entry.eax & 0x3fff | (level >= 3 ? min(count - 1, 0xfff) : 0) << 14
        case 0x8000_001e:
            entry.eax = index
            entry.ebx = index
            entry.ecx = 0
        default: break
        }
    }

    /// Bits of an APIC ID that number a core in its package.
    private var idBits: UInt32 { UInt32(Int.bitWidth - (processorCount - 1).leadingZeroBitCount) }

    /// The extended topology (Intel SDM 2, CPUID leaves 0BH and 1FH): a level of threads, one a core, a level of cores,
    /// and an empty one.
    private func topology(_ leaf: UInt32, _ index: UInt32) -> [kvm_cpuid_entry2] {
        let levels: [(kind: UInt32, shift: UInt32, count: UInt32)] = [
            (1, 0, 1), (2, idBits, UInt32(processorCount)), (0, 0, 0),
        ]
        return levels.enumerated().map { number, level in
            var entry = kvm_cpuid_entry2()
            entry.function = leaf
            entry.index = UInt32(number)
            entry.flags = UInt32(KVM_CPUID_FLAG_SIGNIFCANT_INDEX)
            entry.eax = level.shift
            entry.ebx = level.count
            entry.ecx = UInt32(number) | level.kind << 8
            entry.edx = index
            return entry
        }
    }
}
