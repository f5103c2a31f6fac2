import CLinux
import GuestMemory
import Testing

@testable import SoftwareKVM

@Suite struct HandlerPrologueTests {
    private static let start = Guest.kernel + 0x2_0000

    private func execute(_ code: [UInt8], _ change: (inout kvm_regs) -> Void = { _ in }) throws -> (
        kvm_regs, Int, Guest
    ) {
        let guest = try Guest()
        // xor rax, rax is none of the plain instructions.
        try guest.write(code + [0x48, 0x31, 0xc0], atKernel: Self.start)
        var registers = guest.cpu.general
        registers.rip = Self.start
        change(&registers)
        let space = LinearMemory(guest.memory, PageWalk(guest.cpu.special))
        let count = HandlerPrologue.execute(&registers, in: space)
        return (registers, count, guest)
    }

    @Test(
        arguments: [
            [0x90], [0x66, 0x90], [0xfc], [0xf3, 0x0f, 0x1e, 0xfa], [0x0f, 0x01, 0xca], [0x0f, 0x1f, 0x00],
            [0x0f, 0x1f, 0x40, 0x00], [0x0f, 0x1f, 0x44, 0x00, 0x00], [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
            [0x0f, 0x1f, 0x80, 0, 0, 0, 0], [0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
            [0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
            [0x0f, 0x1f, 0x05, 0, 0, 0, 0], [0x0f, 0x1f, 0x04, 0x25, 0, 0, 0, 0], [0x0f, 0x1f, 0xc0],
        ] as [[UInt8]])
    func plainInstructionsAreStepped(code: [UInt8]) throws {
        let (registers, count, _) = try execute(code)
        #expect(count == 1)
        #expect(registers.rip == Self.start + UInt64(code.count))
        #expect(registers.rsp == Guest.stack)
    }

    @Test func flags() throws {
        let (registers, count, _) = try execute([0xfc, 0x0f, 0x01, 0xca]) { $0.rflags = 0x4_0402 }
        #expect(count == 2)
        #expect(registers.rflags == 2)
        #expect(try execute([0x0f, 0x01, 0xcb]).0.rflags == 0x4_0002)
    }

    @Test func pushes() throws {
        let (registers, count, guest) = try execute([0x6a, 0xff, 0x68, 0, 0, 0, 0x80, 0x57, 0x41, 0x57]) {
            $0.rdi = 7
            $0.r15 = 15
        }
        #expect(count == 4)
        #expect(registers.rsp == Guest.stack - 32)
        let words = try (1...4).map { try guest.word(atKernel: Guest.stack - $0 * 8) }
        #expect(words == [.max, 0xffff_ffff_8000_0000, 7, 15])
    }

    @Test func callsAndJumps() throws {
        let (called, _, guest) = try execute([0xe8, 0xfb, 0x0f, 0, 0])
        #expect(called.rip == Self.start + 0x1000)
        #expect(try guest.word(atKernel: Guest.stack - 8) == Self.start + 5)
        #expect(try execute([0xe9, 0xfb, 0xff, 0xff, 0x00]).0.rip == Self.start + 0x100_0000)
        // jmp to itself ends at the limit, not never.
        let (looped, count, _) = try execute([0xeb, 0xfe])
        #expect(looped.rip == Self.start)
        #expect(count == 8)
    }

    @Test func stackThatCannotBeWritten() throws {
        let (registers, count, _) = try execute([0x90, 0x6a, 0x00]) { $0.rsp = 0x10 }
        #expect(count == 1)
        #expect(registers.rip == Self.start + 1)
        #expect(registers.rsp == 0x10)
    }

    @Test func everythingElseIsLeft() throws {
        for code in [[0xf4], [0x0f, 0x0b], [0xfa], [0x0f, 0x1f, 0x08], [0xcc]] as [[UInt8]] {
            let (registers, count, _) = try execute(code)
            #expect(count == 0)
            #expect(registers.rip == Self.start)
        }
    }
}
