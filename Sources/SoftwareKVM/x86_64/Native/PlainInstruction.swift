import CLinux

/// The everyday instructions between those that KVM cannot emulate: arithmetic and moves, which the host may execute as it
/// does the others, and short jumps, whose effect is on RIP alone. KVM emulates them too; doing it here saves the way.
enum PlainInstruction: Equatable {
    /// As `NativeClass.general`.
    case computation
    /// Loads the address of its memory operand.
    case loadAddress
    case jump
    /// A jump on one of the 16 conditions (Intel SDM 2, appendix B.1.4.7).
    case conditionalJump(condition: UInt8)

    init?(_ instruction: Instruction) {
        guard instruction.encoding == .legacy, !instruction.hasLock else { return nil }
        let opcode = instruction.opcode
        switch instruction.map {
        case .oneByte:
            switch opcode {
            case 0x8d: self = .loadAddress
            case 0x70...0x7f: self = .conditionalJump(condition: opcode & 15)
            case 0xe9, 0xeb: self = .jump
            // XCHG with memory locks by itself.
            case 0x86, 0x87:
                guard instruction.memory == nil else { return nil }
                self = .computation
            case 0xc6, 0xc7, 0xfe, 0xff:
                guard instruction.group <= (opcode >= 0xfe ? 1 : 0) else { return nil }
                self = .computation
            default:
                guard Self.oneByte.contains(opcode) else { return nil }
                self = .computation
            }
        case .twoByte:
            switch opcode {
            case 0x80...0x8f: self = .conditionalJump(condition: opcode & 15)
            // With a register as the bit's number the bit can lie far from the operand.
            case 0xa3, 0xab, 0xb3, 0xbb:
                guard instruction.memory == nil else { return nil }
                self = .computation
            case 0xba:
                guard instruction.group >= 4 else { return nil }
                self = .computation
            default:
                guard Self.twoByte.contains(opcode) else { return nil }
                self = .computation
            }
        default: return nil
        }
    }

    private static let oneByte = OpcodeSet(
        0x00...0x05, 0x08...0x0d, 0x10...0x15, 0x18...0x1d, 0x20...0x25, 0x28...0x2d, 0x30...0x35, 0x38...0x3d,
        .one(0x69), .one(0x6b), 0x80...0x81, 0x83...0x85, 0x88...0x8b, .one(0x90), 0x98...0x99, 0xa8...0xa9,
        0xb0...0xbf, 0xc0...0xc1, 0xd0...0xd3, .one(0xf5), 0xf6...0xf9)
    private static let twoByte = OpcodeSet(
        0x1f...0x1f, 0x40...0x4f, 0x90...0x9f, 0xa4...0xa5, 0xac...0xad, .one(0xaf), 0xb6...0xb7, 0xbe...0xbf,
        0xc8...0xcf)
}

extension PlainInstruction {
    /// Carries out jumps and address loads; nil for a computation, which the host executes.
    func execute(_ site: CompletionSite, _ registers: inout kvm_regs) -> Completion? {
        let next = registers.rip &+ UInt64(site.instruction.length)
        switch self {
        case .computation: return nil
        case .loadAddress:
            guard let memory = site.instruction.memory else {
                return .exception(vector: Vector.invalidOpcode, errorCode: nil)
            }
            let offset = memory.offset(registers, end: next, size: site.instruction.addressSize)
            registers.write(offset, to: site.instruction, isShortByDefault: site.special.decoderMode == .bits16)
            registers.rip = next
        case .jump: registers.rip = target(site, next)
        case .conditionalJump(let condition):
            registers.rip = Self.holds(condition, registers.rflags) ? target(site, next) : next
        }
        return .completed
    }

    private func target(_ site: CompletionSite, _ next: UInt64) -> UInt64 {
        let count = site.instruction.length - site.instruction.immediateOffset
        let unused = 64 - UInt64(count) * 8
        let distance = UInt64(bitPattern: Int64(bitPattern: site.instruction.immediate << unused) >> unused)
        let target = next &+ distance
        switch site.special.decoderMode {
        case .bits64: return target
        case .bits32: return target & (site.instruction.hasOperandSize ? 0xffff : 0xffff_ffff)
        case .bits16: return target & (site.instruction.hasOperandSize ? 0xffff_ffff : 0xffff)
        }
    }

    private static func holds(_ condition: UInt8, _ rflags: UInt64) -> Bool {
        let carry = rflags & 1 != 0
        let parity = rflags & 1 << 2 != 0
        let zero = rflags & RFLAGS.zero != 0
        let sign = rflags & 1 << 7 != 0
        let overflow = rflags & 1 << 11 != 0
        let base =
            switch condition >> 1 {
            case 0: overflow
            case 1: carry
            case 2: zero
            case 3: carry || zero
            case 4: sign
            case 5: parity
            case 6: sign != overflow
            default: zero || sign != overflow
            }
        return base != (condition & 1 != 0)
    }
}

extension kvm_regs {
    /// Stores a result of the instruction's operand size into its register operand.
    mutating func write(_ value: UInt64, to instruction: Instruction, isShortByDefault: Bool = false) {
        let number = instruction.register
        if instruction.isWide {
            self[number] = value
        } else if instruction.hasOperandSize != isShortByDefault {
            self[number] = self[number] & ~0xffff | value & 0xffff
        } else {
            self[number] = value & 0xffff_ffff
        }
    }
}
