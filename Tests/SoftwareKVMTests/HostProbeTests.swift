import CLinux
import GuestMemory
import Testing

@testable import SoftwareKVM

@Suite struct HostProbeTests {
    /// Runs the probe on a vCPU whose user mode does what `behave` does to the common code's registers.
    private func probe(
        refusing: Set<UInt64> = [], cycles: UInt64 = 20,
        _ behave: @escaping (FakeCPU, GuestMemory, [UInt8]) throws -> ProbeExit?
    ) throws -> (HostQuirks, FakeCPU, GuestMemory) {
        let memory = try GuestMemory(size: 1 << 20)
        let probe = try HostProbe(memory: memory)
        let cpu = FakeCPU()
        cpu.refusedValues = refusing
        cpu.general.rip = 0xfff0
        cpu.special.apic_base = 0xfee0_0900
        cpu.onRun = { cpu in
            let walk = PageWalk(cpu.special)
            let space = LinearMemory(memory, walk)
            do {
                // The program's own tables must let user mode fetch its code, and nothing else.
                let code = try InstructionBytes(at: cpu.general.rip, [.fetch, .user], in: space)
                #expect(throws: TranslationError.self) {
                    try walk.translate(probe.program.systemCallTarget, [.fetch, .user], in: memory)
                }
                #expect(cpu.special.cs.dpl == 3)
                cpu.general.rdi = cycles
                cpu.general.rbp = cycles
                return try behave(cpu, memory, code.array) ?? .output(port: ProbeProgram.port)
            } catch {
                Issue.record(error)
                return .other(0)
            }
        }
        let found = try probe.quirks(of: cpu)
        #expect(cpu.general.rip == 0xfff0)
        #expect(cpu.special.apic_base == 0xfee0_0900)
        #expect(cpu.special.cr3 == 0)
        #expect(cpu.msrs[MSR.lstar] == 0)
        probe.clear()
        let left = try memory.read(Int(ProbeProgram.size), at: GuestAddress(probe.program.base))
        #expect(left.allSatisfy { $0 == 0 })
        return (found, cpu, memory)
    }

    /// Delivers an exception from user mode as the processor does, through the program's own tables.
    private func deliver(
        _ vector: UInt8, errorCode: UInt64?, rip: UInt64, to cpu: FakeCPU, _ memory: GuestMemory
    ) throws {
        let space = LinearMemory(memory, PageWalk(cpu.special))
        let gate = try #require(InterruptGate(vector, cpu.special, in: space))
        #expect(try InstructionBytes(at: gate.offset, .fetch, in: space).array.prefix(2) == [0xb3, vector])
        var stack = try space.load64(cpu.special.tr.base + 4)
        var words = [rip, UInt64(cpu.special.cs.selector), cpu.general.rflags, cpu.general.rsp, 0x1b]
        if let errorCode { words.insert(errorCode, at: 0) }
        for word in words.reversed() {
            stack -= 8
            try space.store64(stack, word)
        }
        cpu.general.rsp = stack
        cpu.general.rbx = UInt64(vector)
    }

    @Test func hardwareVirtualizationHasNoQuirks() throws {
        let (quirks, _, _) = try probe { cpu, memory, code in
            #expect(code.prefix(2) == [0x0f, 0x05])
            cpu.general.rbx = UInt64(ProbeProgram.systemCallMark)
            return nil
        }
        #expect(quirks.isEmpty)
        #expect(!quirks.needRepair)
    }

    private func softwareKVM(_ cpu: FakeCPU, _ memory: GuestMemory, _ code: [UInt8]) throws {
        if code[0] == 0xcd {
            try deliver(6, errorCode: nil, rip: cpu.general.rip, to: cpu, memory)
            return
        }
        let target = try #require(cpu.msrs[MSR.lstar])
        cpu.general.rcx = cpu.general.rip + 2
        let isCanonical = target != SystemCallRepair.substituteTarget
        try deliver(isCanonical ? 14 : 13, errorCode: isCanonical ? 0x14 : 0, rip: target, to: cpu, memory)
    }

    @Test func softwareKVMShowsItself() throws {
        let (quirks, _, _) = try probe(cycles: 50_000) { cpu, memory, code in
            try softwareKVM(cpu, memory, code)
            return nil
        }
        #expect(
            quirks == [
                .kernelCodeIsEmulated, .syscallKeepsPrivilegeLevel, .syscallCanArriveAsGeneralProtection,
                .userInterruptIsInvalidOpcode,
            ])
        #expect(quirks.names.count == 4)
    }

    @Test func olderSoftwareKVMRefusesTheSubstitute() throws {
        let (quirks, _, _) = try probe(refusing: [SystemCallRepair.substituteTarget], cycles: 50_000) {
            cpu, memory, code in
            try softwareKVM(cpu, memory, code)
            return nil
        }
        #expect(quirks == [.kernelCodeIsEmulated, .syscallKeepsPrivilegeLevel, .userInterruptIsInvalidOpcode])
    }

    @Test func busyHostIsNoEmulator() throws {
        let (quirks, _, _) = try probe { cpu, memory, _ in
            cpu.general.rbx = UInt64(ProbeProgram.systemCallMark)
            // One of the two measurements was interrupted.
            cpu.general.rdi = 3_000_000
            return nil
        }
        #expect(quirks.isEmpty)
    }

    @Test func runThatEndsOtherwiseConcludesNothing() throws {
        for exit in [ProbeExit.emulationFailed, .other(8), .output(port: 0x80)] {
            #expect(try probe { _, _, _ in exit }.0.isEmpty)
        }
    }

    @Test func everyQuirkHasANameAndAnExplanation() {
        let named = HostQuirks.all.reduce(into: HostQuirks()) { $0.formUnion($1.quirk) }
        #expect(named.rawValue == 0b1111)
        #expect(HostQuirks.all.allSatisfy { !$0.explanation.isEmpty })
        #expect(Set(named.names).count == 4)
    }
}
