import CLinux

/// The plain instructions that exception handlers start with, executed on the register file.
///
/// A breakpoint on a handler's first instruction would stop the guest there for ever: KVM does not honour RFLAGS.RF.
/// Executing that instruction here and going on behind it saves a single step with the breakpoint off and on again:
/// three system calls and an exit.
enum HandlerPrologue {
    /// More than handlers of the systems at hand start with before they branch on what happened.
    private static let limit = 8

    /// Executes leading instructions in 64-bit mode at CPL 0 and returns how many.
    static func execute(_ registers: inout kvm_regs, in memory: LinearMemory) -> Int {
        var count = 0
        while count < limit, step(&registers, memory) { count += 1 }
        return count
    }

    private static func step(_ registers: inout kvm_regs, _ memory: LinearMemory) -> Bool {
        guard let code = try? InstructionBytes(at: registers.rip, .fetch, in: memory) else { return false }
        switch (code[0], code[1]) {
        case (0x90, _): registers.rip &+= 1
        case (0x66, 0x90): registers.rip &+= 2
        case (0xfc, _):  // cld
            registers.rflags &= ~RFLAGS.direction
            registers.rip &+= 1
        case (0xf3, 0x0f) where code[2] == 0x1e && code[3] == 0xfa: registers.rip &+= 4  // endbr64
        case (0x0f, 0x01) where code[2] == 0xca:  // clac
            registers.rflags &= ~RFLAGS.alignmentCheck
            registers.rip &+= 3
        case (0x0f, 0x01) where code[2] == 0xcb:  // stac
            registers.rflags |= RFLAGS.alignmentCheck
            registers.rip &+= 3
        case (0x6a, _):  // push imm8
            return push(signed(code[1], Int8.self), length: 2, &registers, memory)
        case (0x68, _):  // push imm32
            return push(signed(word(code, 1), Int32.self), length: 5, &registers, memory)
        case (0x50...0x57, _):
            return push(registers[code[0] & 7], length: 1, &registers, memory)
        case (0x41, 0x50...0x57):
            return push(registers[code[1] & 7 | 8], length: 2, &registers, memory)
        case (0xeb, _): registers.rip &+= 2 &+ signed(code[1], Int8.self)
        case (0xe9, _): registers.rip &+= 5 &+ signed(word(code, 1), Int32.self)
        case (0xe8, _):  // call: push the return address, then jump
            let target = registers.rip &+ 5 &+ signed(word(code, 1), Int32.self)
            guard push(registers.rip &+ 5, length: 5, &registers, memory) else { return false }
            registers.rip = target
        default:
            guard let length = longNoOperation(code) else { return false }
            registers.rip &+= UInt64(length)
        }
        return true
    }

    private static func push(
        _ value: UInt64, length: UInt64, _ registers: inout kvm_regs, _ memory: LinearMemory
    ) -> Bool {
        guard (try? memory.store64(registers.rsp &- 8, value)) != nil else { return false }
        registers.rsp &-= 8
        registers.rip &+= length
        return true
    }

    /// `nop` with a ModRM byte, 0F 1F /0, behind any number of operand-size and segment prefixes.
    private static func longNoOperation(_ code: InstructionBytes) -> Int? {
        var index = 0
        while code[index] == 0x66 || code[index] == 0x2e { index += 1 }
        guard index < 8, code[index] == 0x0f, code[index + 1] == 0x1f, code[index + 2] & 0x38 == 0 else { return nil }
        let form = code[index + 2]
        index += 3
        guard form >> 6 != 3 else { return index }
        var displacement = form >> 6 == 1 ? 1 : form >> 6 == 2 ? 4 : 0
        if form & 7 == 4 {
            if form >> 6 == 0, code[index] & 7 == 5 { displacement = 4 }
            index += 1
        } else if form >> 6 == 0, form & 7 == 5 {
            displacement = 4
        }
        return index + displacement
    }

    private static func word(_ code: InstructionBytes, _ index: Int) -> UInt32 {
        UInt32(code[index]) | UInt32(code[index + 1]) << 8 | UInt32(code[index + 2]) << 16
            | UInt32(code[index + 3]) << 24
    }

    private static func signed<Narrow: FixedWidthInteger & SignedInteger>(
        _ bits: Narrow.Magnitude, _ type: Narrow.Type
    ) -> UInt64 where Narrow.Magnitude: UnsignedInteger {
        UInt64(bitPattern: Int64(Narrow(truncatingIfNeeded: bits)))
    }
}
