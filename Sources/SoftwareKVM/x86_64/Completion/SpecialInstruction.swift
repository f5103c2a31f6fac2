/// The instructions that are completed by describing what they do, because they need privilege, state that only KVM has,
/// or more care than executing them on the host gives.
enum SpecialInstruction: Equatable {
    case breakpoint
    case softwareInterrupt(vector: UInt8)
    case waitForCoprocessor
    case setAlignmentCheck(Bool)
    /// Hints: prefetches, end-of-branch marks, PTWRITE.
    case noOperation
    /// CLWB, CLFLUSHOPT, CLDEMOTE: guest memory is coherent anyhow, so only the address counts.
    case cacheLine
    /// TPAUSE and UMWAIT, which may return at once.
    case timedPause
    case compareExchange16
    case readExtendedControl
    case readTimestampAndProcessor
    case invalidateTranslations
    case loadAccessRights
    case loadLimit
    case verify(isWrite: Bool)
    /// XSAVE and its relatives, as the opcode and the ModRM register field to execute in their place.
    case stateArea(opcode: UInt8, group: UInt8)
    /// UD0 and UD1; MONITOR, MWAIT and TSX, which no guest is told to have.
    case undefined

    init?(_ instruction: Instruction) {
        guard instruction.encoding == .legacy else { return nil }
        let found =
            switch instruction.map {
            case .oneByte: Self.oneByte(instruction)
            case .twoByte: Self.twoByte(instruction)
            case .threeByte38: Self.threeByte(instruction)
            default: nil as SpecialInstruction?
            }
        guard let found, !instruction.hasLock || found == .compareExchange16 else { return nil }
        self = found
    }

    private static func oneByte(_ instruction: Instruction) -> SpecialInstruction? {
        switch instruction.opcode {
        case 0xcc: .breakpoint
        case 0xcd: .softwareInterrupt(vector: UInt8(truncatingIfNeeded: instruction.immediate))
        case 0x9b: .waitForCoprocessor
        default: nil
        }
    }

    private static func twoByte(_ instruction: Instruction) -> SpecialInstruction? {
        switch instruction.opcode {
        case 0x00 where instruction.group == 4: .verify(isWrite: false)
        case 0x00 where instruction.group == 5: .verify(isWrite: true)
        case 0x01 where instruction.mode == 3: system(instruction)
        case 0x02: .loadAccessRights
        case 0x03: .loadLimit
        case 0x0d where instruction.memory != nil: .noOperation
        case 0x1c where instruction.memory != nil && instruction.group == 0: .cacheLine
        case 0x18...0x1f: .noOperation
        case 0xae: saving(instruction)
        case 0xb9, 0xff: .undefined
        case 0xc7: group9(instruction)
        default: nil
        }
    }

    /// 0F 01 with registers.
    private static func system(_ instruction: Instruction) -> SpecialInstruction? {
        switch (instruction.group, instruction.low) {
        case (1, 0), (1, 1), (2, 5), (2, 6): .undefined  // monitor, mwait, xend, xtest
        case (1, 2): .setAlignmentCheck(false)
        case (1, 3): .setAlignmentCheck(true)
        case (2, 0): .readExtendedControl
        case (7, 1): .readTimestampAndProcessor
        default: nil
        }
    }

    /// 0F AE.
    private static func saving(_ instruction: Instruction) -> SpecialInstruction? {
        switch (instruction.group, instruction.memory != nil, instruction.prefix) {
        case (4, true, .none), (6, true, .none): .stateArea(opcode: 0xae, group: 4)  // xsave, xsaveopt
        case (5, true, .none): .stateArea(opcode: 0xae, group: 5)  // xrstor
        case (6, true, .operandSize), (7, true, .operandSize): .cacheLine  // clwb, clflushopt
        case (6, false, .operandSize), (6, false, .repeatNotEqual): .timedPause
        case (4, _, .repeatEqual): .noOperation  // ptwrite
        default: nil
        }
    }

    /// 0F C7. XSAVES and XRSTORS differ from XSAVEC and XRSTOR in supervisor state alone, which guests here have none of.
    private static func group9(_ instruction: Instruction) -> SpecialInstruction? {
        guard instruction.memory != nil, instruction.prefix == .none else { return nil }
        return switch instruction.group {
        case 1 where instruction.isWide: .compareExchange16
        case 3: .stateArea(opcode: 0xae, group: 5)
        case 4, 5: .stateArea(opcode: 0xc7, group: 4)
        default: nil
        }
    }

    private static func threeByte(_ instruction: Instruction) -> SpecialInstruction? {
        let isInvalidation = instruction.opcode == 0x82 && instruction.prefix == .operandSize
        return isInvalidation && instruction.memory != nil ? .invalidateTranslations : nil
    }
}
