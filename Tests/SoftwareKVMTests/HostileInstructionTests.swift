import CLinux
import GuestMemory
import TestSupport
import Testing

@testable import SoftwareKVM

#if arch(x86_64)
/// Whatever a guest puts at RIP, with whatever registers and state: it is completed, faults in the guest or is diagnosed.
@Suite struct HostileInstructionTests {
    private static let start = Guest.kernel + 0x2_0000

    private func prepare(_ guest: Guest, _ random: inout SeededGenerator) {
        guest.cpu.general.rip = Self.start
        for number in 0..<16 as Range<UInt8> {
            let near = Guest.kernel + 0x3_0000 + UInt64.random(in: 0..<0x2000, using: &random)
            guest.cpu.general[number] = Int.random(in: 0..<4, using: &random) == 0 ? random.next() : near
        }
        guest.cpu.general.rflags = random.next() & 0x24_0dd5 | 2
        guest.cpu.eventState = kvm_vcpu_events()
    }

    private func run(rounds: Int, seed: UInt64, _ code: (inout SeededGenerator) -> [UInt8]) throws -> UInt64 {
        var random = SeededGenerator(seed: seed)
        let guest = try Guest()
        guest.cpu.special.cr4 |= 1 << 18
        guest.cpu.control.nr_xcrs = 1
        guest.cpu.control.xcrs.0.value = 0xe7
        // Absent, read-only and outside RAM.
        try guest.setEntry(0, page: 0x31)
        try guest.setEntry(0x3_0001, page: 0x32)
        try guest.setEntry(0xfee0_0003, page: 0x33)
        var repair = InstructionRepair(isNeeded: true)
        for _ in 0..<rounds {
            prepare(guest, &random)
            try guest.write(code(&random) + [0xf4], atKernel: Self.start)
            _ = try repair.emulationFailed(on: guest.cpu, guest.memory)
        }
        return repair.statistics.completed
    }

    @Test func randomBytes() throws {
        _ = try run(rounds: 20_000, seed: 51) { random in
            (0..<15).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
    }

    /// Random operands and prefixes around the opcodes that the host executes.
    @Test func randomInstructionsOnTheHost() throws {
        let completed = try run(rounds: 60_000, seed: 52) { random in
            var code: [UInt8] = []
            let opcode = UInt8.random(in: 0...255, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: code = [0xd8 | opcode & 7]
            case 1, 2:
                if Bool.random(using: &random) {
                    code.append([0x66, 0xf2, 0xf3].randomElement(using: &random) ?? 0x66)
                }
                if Bool.random(using: &random) { code.append(0x40 | opcode >> 4) }
                let escape = [[0x0f], [0x0f, 0x38], [0x0f, 0x3a]] as [[UInt8]]
                code += (escape.randomElement(using: &random) ?? []) + [opcode]
            case 3: code = [0xc5, UInt8.random(in: 0...255, using: &random), opcode]
            case 4:
                let map = UInt8.random(in: 1...3, using: &random)
                let bits = UInt8.random(in: 0...7, using: &random) << 5
                code = [0xc4, bits | map, UInt8.random(in: 0...255, using: &random), opcode]
            default:
                let map = [1, 2, 3, 5, 6].randomElement(using: &random) ?? 1
                let bits = UInt8.random(in: 0...15, using: &random) << 4
                code = [0x62, bits | UInt8(map), UInt8.random(in: 0...255, using: &random) | 4]
                code += [UInt8.random(in: 0...255, using: &random), opcode]
            }
            return code + (0..<8).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        #expect(completed > 10_000)
    }

    /// In 16-bit code the operand-size prefix means 32 bits: an immediate of 4 bytes that the host, in 64-bit code, would
    /// take for one of 2 bytes and two bytes of code.
    @Test func immediatesOf16BitCodeAreNoCode() throws {
        let guest = try Guest()
        guest.cpu.special.cs.l = 0
        guest.cpu.special.cs.db = 0
        guest.cpu.special.cs.base = 0
        guest.cpu.special.efer = 0
        guest.cpu.special.cr0 = 0x10
        guest.cpu.special.cs.dpl = 0
        // fld1; mov eax, 0x050f1234, whose upper half is SYSCALL; hlt
        try guest.memory.write([0xd9, 0xe8, 0x66, 0xb8, 0x34, 0x12, 0x0f, 0x05, 0xf4], at: 0x2_0000)
        guest.cpu.general.rip = 0x2_0000
        // close(1000000)
        guest.cpu.general.rax = 3 << 16 | 3
        guest.cpu.general.rdi = 1_000_000
        guest.cpu.general.rcx = 0x77
        var repair = InstructionRepair(isNeeded: true)
        _ = try repair.emulationFailed(on: guest.cpu, guest.memory)
        #expect(guest.cpu.general.rax == 0x050f_1234)
        #expect(guest.cpu.general.rcx == 0x77)
        #expect(guest.cpu.general.rip == 0x2_0008)
    }

    @Test func randomState() throws {
        var random = SeededGenerator(seed: 53)
        let guest = try Guest()
        var repair = InstructionRepair(isNeeded: true)
        guest.cpu.special.cr4 |= 1 << 18
        for _ in 0..<2_000 {
            prepare(guest, &random)
            // A header or a control register that the processor refuses must not end more than the guest.
            for index in guest.cpu.extended.indices where index < 600 {
                guest.cpu.extended[index] = UInt8.random(in: 0...255, using: &random)
            }
            try guest.write([0x66, 0x0f, 0xef, 0xc0, 0xf4], atKernel: Self.start)
            _ = try repair.emulationFailed(on: guest.cpu, guest.memory)
        }
    }
}

@Suite struct NativeEngineTests {
    private func execute(_ code: [UInt8], _ change: (inout kvm_regs) -> Void = { _ in }) throws -> (
        Completion, kvm_regs
    ) {
        let guest = try Guest()
        let engine = try #require(NativeEngine())
        let bytes = InstructionBytes(code)
        let instruction = try InstructionDecoder.decode(bytes, .bits64)
        var registers = kvm_regs()
        change(&registers)
        let space = LinearMemory(guest.memory, PageWalk(guest.cpu.special))
        #expect(engine.begin())
        defer { engine.end() }
        let job = NativeEngine.Job(instruction: instruction, bytes: bytes, components: 0)
        return (engine.execute(job, &registers, guest.cpu.special, space), registers)
    }

    @Test func faultsInsideAreCaught() throws {
        #expect(try execute([0xf7, 0xf1]).0 == .exception(vector: 0, errorCode: nil))  // div ecx
        #expect(try execute([0x0f, 0x0b]).0 == .exception(vector: 6, errorCode: nil))  // ud2
        #expect(try execute([0xf4]).0 == .exception(vector: 13, errorCode: 0))  // hlt
        #expect(try execute([0xcc]).0 == .impossible(.unsupportedInstruction))  // int3
        let absent = try execute([0x8b, 0x03]) { $0.rbx = 0x1234_5678 }
        #expect(absent.0 == .pageFault(address: 0x1234_5678, errorCode: 0))
        #expect(absent.1.rip == 0)
    }

    @Test func flagsGoInAndOut() throws {
        // adc eax, 0 with carry; the guest's other flags stay, and the host never sees them.
        let (result, registers) = try execute([0x83, 0xd0, 0x00]) {
            $0.rax = 0xffff_ffff
            $0.rflags = 0x24_7303
        }
        #expect(result == .completed)
        #expect(registers.rax == 0)
        #expect(registers.rflags == 0x24_7303 | 0x54)
    }

    @Test func enginesOfSeveralThreads() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seed in 0..<4 as Range<UInt64> {
                group.addTask {
                    for round in 0..<200 as Range<UInt64> {
                        let (result, registers) = try execute([0x48, 0x01, 0xc8]) {
                            $0.rax = seed << 32
                            $0.rcx = round
                        }
                        #expect(result == .completed)
                        #expect(registers.rax == seed << 32 + round)
                        #expect(try execute([0xf7, 0xf1]).0 == .exception(vector: 0, errorCode: nil))
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
#endif
