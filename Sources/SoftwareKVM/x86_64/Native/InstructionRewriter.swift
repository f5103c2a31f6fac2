/// Turns a guest's instruction into one that does the same on the host with its memory operand at the address in one base
/// register, which it does not use otherwise.
struct InstructionRewriter {
    /// The new encoding.
    private(set) var code = InstructionBytes()
    /// The number of the register that holds the memory operand's address, if there is one.
    private(set) var base: UInt8?

    /// - Parameters:
    ///   - mode: how the guest's code is decoded; the host's is 64-bit code.
    ///   - opcode: takes the place of the instruction's own.
    ///   - group: takes the place of ModRM's register field.
    ///   - keepsScaledDisplacement: keeps EVEX's 8-bit displacement and drops the mask, to see where the operand lies.
    init(
        _ instruction: Instruction, _ bytes: InstructionBytes, _ mode: InstructionDecoder.Mode, opcode: UInt8? = nil,
        group: UInt8? = nil,
        keepsScaledDisplacement: Bool = false
    ) {
        // RSI, RDI and RBP: none of the instructions on the list uses them but as an operand it names, and they need no
        // extension bit, whose presence would change what byte registers mean.
        let candidates: InlineArray<3, UInt8> = [6, 7, 5]
        var base: UInt8 = 6
        for index in 0..<3 where candidates[index] != instruction.register && candidates[index] != instruction.third {
            base = candidates[index]
            break
        }
        self.base = instruction.memory == nil ? nil : base

        appendPrefixes(instruction, bytes, mode, keepsScaledDisplacement)
        code.append(opcode ?? instruction.opcode)
        if instruction.hasModRM {
            let field = group ?? instruction.group
            if instruction.memory == nil {
                code.append(0xc0 | field << 3 | instruction.low)
            } else if keepsScaledDisplacement {
                code.append(0x40 | field << 3 | base)
                code.append(UInt8(truncatingIfNeeded: instruction.memory?.displacement ?? 0))
            } else if base == 5 {
                code.append(0x40 | field << 3 | base)
                code.append(0)
            } else {
                code.append(field << 3 | base)
            }
        }
        for index in Int(instruction.immediateOffset)..<Int(instruction.length) { code.append(bytes[index]) }
    }

    /// What comes before the opcode, without segments and address size, and without extensions of base and index.
    private mutating func appendPrefixes(
        _ instruction: Instruction, _ bytes: InstructionBytes, _ mode: InstructionDecoder.Mode, _ dropsMask: Bool
    ) {
        if instruction.encoding == .legacy {
            // In 16-bit code the prefix asks for 32 bits, and its absence for 16.
            let isInverted = mode == .bits16 && instruction.operandSizePrefixIsSize
            if instruction.hasOperandSize != isInverted { code.append(0x66) }
            if instruction.prefix == .repeatEqual { code.append(0xf3) }
            if instruction.prefix == .repeatNotEqual { code.append(0xf2) }
            if instruction.hasREX {
                let rex = bytes[Int(instruction.encodingOffset)]
                code.append(instruction.memory == nil ? rex : rex & ~3)
            }
            switch instruction.map {
            case .oneByte: break
            case .threeByte38:
                code.append(0x0f)
                code.append(0x38)
            case .threeByte3A:
                code.append(0x0f)
                code.append(0x3a)
            default: code.append(0x0f)
            }
            return
        }
        let start = Int(instruction.encodingOffset)
        for index in start..<Int(instruction.opcodeOffset) {
            var byte = bytes[index]
            let isShort = bytes[start] == 0xc5
            // X and B, inverted.
            if index == start + 1, !isShort, instruction.memory != nil { byte |= 0x60 }
            // Outside 64-bit mode there are 8 registers, whatever is encoded.
            if index == start + 1, mode != .bits64 {
                byte |= isShort ? 0x80 : instruction.encoding == .evex ? 0xf0 : 0xe0
            }
            // The third register's number, which has three bits outside 64-bit mode whatever is encoded.
            if index == start + (isShort ? 1 : 2), instruction.third & 8 == 0 { byte |= 0x40 }
            if index == start + 3, instruction.encoding == .evex, instruction.third & 16 == 0 { byte |= 8 }
            // EVEX.z and EVEX.aaa.
            if index == start + 3, instruction.encoding == .evex, dropsMask { byte &= ~0x87 }
            code.append(byte)
        }
    }
}

extension InstructionRewriter {
    /// Whether the processor will see one instruction that ends where the new encoding does, with the same opcode and
    /// immediate, and no memory operand but the one in the base register. Whatever the guest wrote behind an instruction that
    /// ends early would be executed on the host.
    ///
    /// - Parameter opcode: what took the place of the instruction's own.
    func isFaithful(to instruction: Instruction, opcode: UInt8? = nil) -> Bool {
        guard code.count <= InstructionBytes.capacity, let seen = try? InstructionDecoder.decode(code, .bits64),
            Int(seen.length) == code.count, seen.encoding == instruction.encoding, seen.map == instruction.map,
            seen.opcode == opcode ?? instruction.opcode, seen.prefix.isSame(as: instruction.prefix, in: seen),
            seen.hasModRM == instruction.hasModRM, seen.immediate == instruction.immediate,
            seen.length - seen.immediateOffset == instruction.length - instruction.immediateOffset
        else { return false }
        guard let memory = seen.memory else { return instruction.memory == nil }
        return instruction.memory != nil && memory.base == base && memory.index == nil && !memory.isRelative
    }
}

extension Instruction {
    /// Whether the operand-size prefix chooses between sizes, and is no part of the opcode.
    fileprivate var operandSizePrefixIsSize: Bool {
        switch map {
        case .oneByte: true
        case .threeByte38: (0xf0...0xf1).contains(opcode)
        // Bit operations and conditional ones, which have no vector in them.
        case .twoByte:
            switch opcode {
            case 0xae: false
            case 0x1f, 0x40...0x4f, 0x80...0xbf, 0xc8...0xcf: true
            default: false
            }
        default: false
        }
    }
}

extension Instruction.MandatoryPrefix {
    /// The operand-size prefix, where it chooses a size, may come and go.
    fileprivate func isSame(as other: Self, in instruction: Instruction) -> Bool {
        func essence(_ prefix: Self) -> Self {
            instruction.operandSizePrefixIsSize && prefix == .operandSize ? .none : prefix
        }
        return essence(self) == essence(other)
    }
}
