import CLinux
import Testing

@testable import Caisson

@Suite struct ProcessorIdentityTests {
    private func leaf(_ function: UInt32, _ index: UInt32 = 0, fill: UInt32 = .max) -> kvm_cpuid_entry2 {
        var entry = kvm_cpuid_entry2()
        entry.function = function
        entry.index = index
        (entry.eax, entry.ebx, entry.ecx, entry.edx) = (fill, fill, fill, fill)
        return entry
    }

    /// A processor that can everything.
    private var supported: [kvm_cpuid_entry2] {
        var vendor = leaf(0)
        vendor.eax = 0x1f
        var hypervisor = leaf(0x4000_0000)
        hypervisor.eax = 0x4000_0001
        return [
            vendor, leaf(1), leaf(4, 0, fill: 0x0000_0021), leaf(4, 1, fill: 0x0000_0063), leaf(4, 2, fill: 0), leaf(6),
            leaf(7, 0), leaf(7, 1), leaf(0xa), leaf(0xb, 0), leaf(0xb, 1), leaf(0x12), leaf(0x14), leaf(0x1f, 0),
            hypervisor, leaf(0x4000_0001), leaf(0x8000_0001), leaf(0x8000_0008), leaf(0x8000_001e),
        ]
    }

    private func entries(
        count: Int = 1, index: Int = 0, frequency: UInt32 = 2_000_000, emulates: Bool = false
    ) -> [kvm_cpuid_entry2] {
        ProcessorIdentity(supported: supported, processorCount: count, hasDeadlineTimer: true)
            .entries(for: index, timeStampFrequency: frequency, hostEmulates: emulates)
    }

    private func find(_ entries: [kvm_cpuid_entry2], _ function: UInt32, _ index: UInt32 = 0) throws -> kvm_cpuid_entry2
    {
        try #require(entries.first { $0.function == function && $0.index == index })
    }

    @Test(arguments: [
        (UInt32(1), 3, "MONITOR"), (1, 5, "VMX"), (1, 15, "perfmon capabilities"), (1, 27, "OSXSAVE"),
    ])
    func hidesWhatTheMachineLacks(function: UInt32, bit: Int, name: String) throws {
        #expect(try find(entries(), function).ecx & 1 << bit == 0, "\(name)")
    }

    @Test func saysThatItIsAHypervisorsGuest() throws {
        let features = try find(entries(), 1).ecx
        #expect(features & 1 << 31 != 0)
        #expect(features & 1 << 24 != 0, "the deadline timer")
    }

    @Test(arguments: [(UInt32(1), 13), (1, 23)])
    func hidesWhatAnEmulatorLacksOnlyThere(function: UInt32, bit: Int) throws {
        #expect(try find(entries(emulates: true), function).ecx & 1 << bit == 0)
        #expect(try find(entries(emulates: false), function).ecx & 1 << bit != 0)
    }

    @Test func hypercallsAreHiddenWhereTheyHang() throws {
        let hypercalls: UInt32 = 1 << 7 | 1 << 11 | 1 << 13 | 1 << 16 | 1 << 17
        #expect(try find(entries(emulates: true), 0x4000_0001).eax & hypercalls == 0)
        #expect(try find(entries(emulates: false), 0x4000_0001).eax & hypercalls == hypercalls)
        // kvmclock and the paravirtual end of interrupt stay.
        #expect(try find(entries(emulates: true), 0x4000_0001).eax & 0x49 == 0x49)
    }

    @Test func rulesOfOneSubleafLeaveOthersAlone() throws {
        #expect(try find(entries(), 7, 0).ebx & 1 << 2 == 0)
        #expect(try find(entries(), 7, 1).ebx == .max)
    }

    @Test func countersAndPowerManagementAreGone() throws {
        let counters = try find(entries(), 0xa)
        #expect(counters.eax == 0 && counters.ebx == 0 && counters.ecx == 0 && counters.edx == 0)
        #expect(try find(entries(), 6).eax == 1 << 2)
    }

    @Test(arguments: [(1, 0), (2, 1), (3, 2), (64, 63)])
    func topologyIsCoresOfOnePackage(count: Int, index: Int) throws {
        let entries = entries(count: count, index: index)
        let first = try find(entries, 1)
        #expect(first.ebx >> 24 == UInt32(index))
        #expect(first.ebx >> 16 & 0xff == UInt32(count))
        #expect((first.edx & 1 << 28 != 0) == (count > 1))

        for function: UInt32 in [0xb, 0x1f] {
            let thread = try find(entries, function, 0)
            #expect(thread.eax == 0 && thread.ebx == 1 && thread.ecx == 0x100 && thread.edx == UInt32(index))
            let core = try find(entries, function, 1)
            #expect(core.ebx == UInt32(count) && core.ecx == 0x201 && core.edx == UInt32(index))
            // All cores of the package have the same number above the shift.
            #expect(UInt32(count - 1) >> core.eax == 0)
            #expect(core.eax == 0 || UInt32(count - 1) >> (core.eax - 1) != 0)
            #expect(try find(entries, function, 2).ecx == 2)
            #expect(entries.filter { $0.function == function }.count == 3)
        }
        #expect(try find(entries, 0x8000_001e).eax == UInt32(index))
        #expect(try find(entries, 0x8000_0008).ecx & 0xff == UInt32(count - 1))
    }

    @Test func cachesAreSharedFromTheThirdLevelOn() throws {
        let entries = entries(count: 4)
        #expect(try find(entries, 4, 0).eax >> 14 & 0xfff == 0)
        #expect(try find(entries, 4, 1).eax >> 14 & 0xfff == 3)
        #expect(try find(entries, 4, 1).eax >> 26 == 3)
        #expect(try find(entries, 4, 2).eax == 0)
    }

    @Test func frequenciesAreTold() throws {
        let entries = entries(frequency: 2_345_000)
        #expect(try find(entries, 0x4000_0010).eax == 2_345_000)
        #expect(try find(entries, 0x4000_0010).ebx == 1_000_000)
        #expect(try find(entries, 0x4000_0000).eax == 0x4000_0010)
        #expect(!self.entries(frequency: 0).contains { $0.function == 0x4000_0010 })
    }

    @Test func everyRuleHasAReason() {
        for rule in CPUIDRule.all { #expect(rule.reason.count > 10 && rule.hidden != 0) }
    }
}
