/// What kind of state an instruction computes on, for those that the host's processor may execute for a guest.
///
/// This is an allowlist. Whatever is on it computes from its operands alone: it needs no privilege, transfers no control,
/// reaches no memory but its ModRM operand, none through the stack or string registers, and neither reads nor writes
/// segment bases, control registers, time or identity. An opcode that is not known to be so is left out.
enum NativeClass: Equatable, Sendable {
    /// General registers and flags.
    case general
    case x87
    case mmx
    case sse
    case avx
    /// Needs the mask and upper registers of AVX-512.
    case avx512

    /// The XSAVE components that the instruction is given and may change. A VEX instruction clears the upper part of its
    /// destination, all of it.
    var components: UInt64 {
        switch self {
        case .general: 0
        case .x87, .mmx, .sse: 0x3
        case .avx, .avx512: 0xe7
        }
    }

    /// The XCR0 bits without which the instruction is not there.
    var requiredComponents: UInt64 {
        switch self {
        case .general, .x87, .mmx, .sse: 0
        case .avx: 0x6
        case .avx512: 0xe6
        }
    }

    /// The class of an instruction, or nil if it is not on the list.
    init?(_ instruction: Instruction) {
        guard !instruction.hasLock else { return nil }
        let found =
            switch instruction.encoding {
            case .legacy: Self.legacy(instruction)
            case .vex: Self.vex(instruction)
            case .evex: Self.evex(instruction)
            }
        guard let found else { return nil }
        self = found
    }

    // Intel SDM 2, appendix A. What an absent opcode would be is said where it is not plain.

    private static func legacy(_ instruction: Instruction) -> NativeClass? {
        let opcode = instruction.opcode
        switch instruction.map {
        case .oneByte: return (0xd8...0xdf).contains(opcode) ? .x87 : nil
        case .twoByte: return legacyTwoByte(instruction)
        case .threeByte38:
            switch (opcode, instruction.prefix) {
            case (0xf0...0xf1, .repeatNotEqual): return .general  // crc32
            case (0xf0...0xf1, _): return instruction.memory == nil ? nil : .general  // movbe
            case (0xf6, .operandSize), (0xf6, .repeatEqual): return .general  // adcx, adox
            case (_, .none), (_, .operandSize):
                guard legacy38.contains(opcode) else { return nil }
                return instruction.prefix == .none && opcode < 0x20 ? .mmx : .sse
            default: return nil  // Key Locker, ENQCMD and the like.
            }
        case .threeByte3A:
            guard instruction.prefix == .none || instruction.prefix == .operandSize, legacy3A.contains(opcode)
            else { return nil }
            return instruction.prefix == .none && opcode == 0x0f ? .mmx : .sse
        case .evex5, .evex6: return nil
        }
    }

    private static func legacyTwoByte(_ instruction: Instruction) -> NativeClass? {
        let opcode = instruction.opcode
        switch opcode {
        case 0xb8: return instruction.prefix == .repeatEqual ? .general : nil  // popcnt, not Itanium's JMPE
        case 0xbc, 0xbd: return .general
        case 0xc3: return instruction.memory == nil ? nil : .general  // movnti
        case 0xae:  // ldmxcsr, stmxcsr
            let isControl = instruction.group == 2 || instruction.group == 3
            return isControl && instruction.memory != nil && instruction.prefix == .none ? .sse : nil
        default:
            guard legacy0F.contains(opcode) else { return nil }
            let isAlwaysSSE = opcode < 0x60 || opcode == 0xc2 || opcode == 0xc6
            return instruction.prefix == .none && !isAlwaysSSE ? .mmx : .sse
        }
    }

    private static func vex(_ instruction: Instruction) -> NativeClass? {
        let opcode = instruction.opcode
        switch instruction.map {
        case .twoByte:
            if opcode == 0xae {  // vldmxcsr, vstmxcsr
                let isControl = instruction.group == 2 || instruction.group == 3
                return isControl && instruction.memory != nil && instruction.prefix == .none ? .avx : nil
            }
            if vexMask0F.contains(opcode) { return .avx512 }
            return vex0F.contains(opcode) ? .avx : nil
        case .threeByte38:
            if vexGeneral38.contains(opcode) { return .general }
            return vex38.contains(opcode) ? .avx : nil
        case .threeByte3A:
            if opcode == 0xf0 { return instruction.prefix == .repeatNotEqual ? .general : nil }  // rorx
            if (0x30...0x33).contains(opcode) { return .avx512 }
            return vex3A.contains(opcode) ? .avx : nil
        default: return nil
        }
    }

    private static func evex(_ instruction: Instruction) -> NativeClass? {
        let opcode = instruction.opcode
        let isKnown =
            switch instruction.map {
            case .twoByte: evex0F.contains(opcode)
            case .threeByte38: evex38.contains(opcode)
            case .threeByte3A: evex3A.contains(opcode)
            case .evex5: evex5.contains(opcode)
            case .evex6: evex6.contains(opcode)
            case .oneByte: false
            }
        return isKnown ? .avx512 : nil
    }

    // Without 78 and 79 (VMREAD, VMWRITE; AMD's EXTRQ), and F7 (MASKMOVQ: memory through RDI).
    private static let legacy0F = OpcodeSet(
        0x10...0x17, 0x28...0x2f, 0x50...0x77, 0x7c...0x7f, .one(0xc2), 0xc4...0xc6, 0xd0...0xf6, 0xf8...0xfe)
    // Without 80 to 82 (INVEPT, INVVPID, INVPCID), F5 and F6 (CET's shadow stack), F8 (MOVDIR64B).
    private static let legacy38 = OpcodeSet(
        0x00...0x0b, .one(0x10), 0x14...0x15, .one(0x17), 0x1c...0x1e, 0x20...0x25, 0x28...0x2b, 0x30...0x35,
        0x37...0x41, 0xc8...0xcd, .one(0xcf), 0xdb...0xdf)
    private static let legacy3A = OpcodeSet(
        0x08...0x0f, 0x14...0x17, 0x20...0x22, 0x40...0x42, .one(0x44), 0x60...0x63, .one(0xcc), 0xce...0xcf, .one(0xdf)
    )

    private static let vex0F = OpcodeSet(
        0x10...0x17, 0x28...0x2f, 0x50...0x77, 0x7c...0x7f, .one(0xc2), 0xc4...0xc6, 0xd0...0xf6, 0xf8...0xfe)
    private static let vexMask0F = OpcodeSet(0x41...0x42, 0x44...0x47, 0x4a...0x4b, 0x90...0x93, 0x98...0x99)
    // Without 49, 4B, 5C, 5E (AMX), 90 to 93 (gathers), E0 to EF (compare and add, atomic).
    private static let vex38 = OpcodeSet(
        0x00...0x0f, .one(0x13), 0x16...0x1a, 0x1c...0x1e, 0x20...0x25, 0x28...0x41, 0x45...0x47, 0x50...0x53,
        0x58...0x5a, .one(0x72), 0x78...0x79, .one(0x8c), .one(0x8e), 0x96...0x9f, 0xa6...0xaf, 0xb0...0xb1,
        0xb4...0xbf, .one(0xcf), 0xdb...0xdf)
    private static let vexGeneral38 = OpcodeSet(0xf2...0xf3, 0xf5...0xf7)
    private static let vex3A = OpcodeSet(
        0x00...0x02, 0x04...0x06, 0x08...0x0f, 0x14...0x19, .one(0x1d), 0x20...0x22, 0x38...0x39, 0x40...0x42,
        .one(0x44), .one(0x46), 0x4a...0x4c, 0x60...0x63, 0xce...0xcf, 0xde...0xdf)

    private static let evex0F = OpcodeSet(
        0x10...0x17, 0x28...0x2f, 0x51...0x6f, 0x70...0x76, 0x78...0x7b, 0x7e...0x7f, .one(0xc2), 0xc4...0xc6,
        0xd1...0xf6, 0xf8...0xfe)
    // Without 90 to 93 and A0 to A3 (gathers and scatters) and C6, C7 (their prefetches).
    private static let evex38 = OpcodeSet(
        0x00...0x0d, 0x10...0x16, 0x18...0x3d, .one(0x40), 0x42...0x47, 0x4c...0x4f, 0x50...0x55, 0x58...0x5b,
        0x62...0x66, .one(0x68), 0x70...0x73, 0x75...0x7f, .one(0x83), 0x88...0x8b, .one(0x8d), .one(0x8f),
        0x96...0x9f, 0xa6...0xaf, 0xb4...0xbf, .one(0xc4), .one(0xc8), 0xca...0xcd, .one(0xcf), 0xdc...0xdf)
    private static let evex3A = OpcodeSet(
        0x00...0x05, 0x08...0x0b, .one(0x0f), 0x14...0x1b, 0x1d...0x23, 0x25...0x27, 0x38...0x3b, 0x3e...0x3f,
        0x42...0x44, 0x50...0x51, 0x54...0x57, 0x66...0x67, 0x70...0x73, .one(0xc2), 0xce...0xcf)
    private static let evex5 = OpcodeSet(
        0x10...0x11, .one(0x1d), 0x2a...0x2f, .one(0x51), 0x58...0x5f, .one(0x6e), 0x78...0x7e)
    private static let evex6 = OpcodeSet(
        .one(0x13), 0x2c...0x2d, 0x42...0x43, .one(0x4c), 0x4e...0x4f, 0x56...0x57, 0x96...0x9f, 0xa6...0xaf,
        0xb6...0xbf, 0xd6...0xd7)
}
