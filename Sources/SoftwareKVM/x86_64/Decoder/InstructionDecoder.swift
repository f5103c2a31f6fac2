/// Takes instructions apart (Intel SDM 2, chapter 2).
struct InstructionDecoder {
    enum Failure: Error, Equatable {
        /// The bytes end before the instruction does.
        case truncated
        /// No instruction that is known here, or longer than 15 bytes.
        case invalid
    }

    /// The size of code: 16, 32 or 64 bits.
    enum Mode: UInt8, Sendable {
        case bits16 = 16
        case bits32 = 32
        case bits64 = 64
    }

    private let code: InstructionBytes
    private let mode: Mode
    private var index = 0
    private var result = Instruction()
    private var segment: Instruction.Segment?
    private var hasAddressSize = false
    /// The extensions of ModRM.reg, SIB.index and ModRM.rm or SIB.base, as 0 or 8.
    private var extensions: (register: UInt8, index: UInt8, base: UInt8) = (0, 0, 0)

    static func decode(_ code: InstructionBytes, _ mode: Mode) throws(Failure) -> Instruction {
        var decoder = InstructionDecoder(code: code, mode: mode)
        try decoder.decode()
        return decoder.result
    }

    private init(code: InstructionBytes, mode: Mode) {
        self.code = code
        self.mode = mode
    }

    private mutating func decode() throws(Failure) {
        try prefixes()
        let shape = try opcode()
        result.addressSize = addressSize
        switch shape {
        case .modRM, .modRMImmediate8, .modRMImmediate, .group3, .group3Byte: try modRM()
        case .modRMImmediate8Legacy where mode != .bits64: try modRM()
        case .registers:
            try modRM(isRegisters: true)
        default: break
        }
        // 8F is POP if its register field is 0, and otherwise the first byte of AMD's XOP.
        if result.encoding == .legacy, result.map == .oneByte, result.opcode == 0x8f, result.group != 0 {
            throw .invalid
        }
        result.immediateOffset = UInt8(index)
        let count = try immediateCount(shape)
        for position in 0..<count {
            let byte = try next()
            if position < 8 { result.immediate |= UInt64(byte) << UInt64(position * 8) }
        }
        result.length = UInt8(index)
    }

    private mutating func next() throws(Failure) -> UInt8 {
        guard index < InstructionBytes.capacity else { throw .invalid }
        guard index < code.count else { throw .truncated }
        index += 1
        return code[index - 1]
    }

    /// Legacy prefixes in any order, then REX.
    private mutating func prefixes() throws(Failure) {
        while true {
            let byte = try next()
            switch byte {
            case 0x26: segment = mode == .bits64 ? segment : .es
            case 0x2e: segment = mode == .bits64 ? segment : .cs
            case 0x36: segment = mode == .bits64 ? segment : .ss
            case 0x3e: segment = mode == .bits64 ? segment : .ds
            case 0x64: segment = .fs
            case 0x65: segment = .gs
            case 0x66: result.hasOperandSize = true
            case 0x67: hasAddressSize = true
            case 0xf0: result.hasLock = true
            case 0xf2: result.prefix = .repeatNotEqual
            case 0xf3: result.prefix = .repeatEqual
            default:
                index -= 1
                result.encodingOffset = UInt8(index)
                if mode == .bits64, byte & 0xf0 == 0x40 { try rex() }
                return
            }
        }
    }

    private mutating func rex() throws(Failure) {
        let byte = try next()
        let following = try next()
        index -= 1
        // A REX that is not the last prefix does nothing.
        if isPrefix(following) {
            try prefixes()
            return
        }
        result.hasREX = true
        result.isWide = byte & 8 != 0
        extensions = ((byte & 4) << 1, (byte & 2) << 2, (byte & 1) << 3)
    }

    private func isPrefix(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3: true
        default: byte & 0xf0 == 0x40
        }
    }

    /// The escape bytes or the VEX or EVEX prefix, and the opcode. Returns what follows it.
    private mutating func opcode() throws(Failure) -> OpcodeMap.Shape {
        result.opcodeOffset = UInt8(index)
        let first = try next()
        switch first {
        case 0xc4, 0xc5, 0x62:
            // Outside 64-bit mode these are LES, LDS and BOUND, whose operand is in memory.
            let second = try next()
            index -= 1
            if mode == .bits64 || (mode == .bits32 && second >= 0xc0) { return try vector(first) }
        case 0x0f:
            if result.prefix == .none, result.hasOperandSize { result.prefix = .operandSize }
            let second = try next()
            result.map = second == 0x38 ? .threeByte38 : second == 0x3a ? .threeByte3A : .twoByte
            result.opcodeOffset = UInt8(index - 1)
            guard result.map != .twoByte else {
                result.opcode = second
                return try known(OpcodeMap.twoByte[second])
            }
            result.opcodeOffset = UInt8(index)
            result.opcode = try next()
            return result.map == .threeByte38 ? .modRM : .modRMImmediate8
        default: break
        }
        result.opcode = first
        if mode != .bits64, first == 0x62 { return .modRM }
        return try known(OpcodeMap.oneByte[first])
    }

    private func known(_ shape: OpcodeMap.Shape) throws(Failure) -> OpcodeMap.Shape {
        switch shape {
        case .none: throw .invalid
        case .plainLegacy, .immediate8Legacy, .modRMImmediate8Legacy, .farPointer:
            if mode == .bits64 { throw .invalid }
        default: break
        }
        return shape
    }

    /// VEX and EVEX: prefix bytes that hold map, mandatory prefix and extensions, inverted.
    private mutating func vector(_ first: UInt8) throws(Failure) -> OpcodeMap.Shape {
        guard !result.hasREX, !result.hasLock, !result.hasOperandSize, result.prefix == .none else { throw .invalid }
        result.encoding = first == 0x62 ? .evex : .vex
        result.hasREX = true
        let second = try next()
        extensions.register = second & 0x80 == 0 ? 8 : 0
        var map: UInt8 = 1
        var third = second
        if first != 0xc5 {
            extensions.index = second & 0x40 == 0 ? 8 : 0
            extensions.base = second & 0x20 == 0 ? 8 : 0
            map = first == 0x62 ? second & 0x0f : second & 0x1f
            third = try next()
            result.isWide = third & 0x80 != 0
        }
        result.prefix = Instruction.MandatoryPrefix(rawValue: third & 3) ?? .none
        result.third = ~third >> 3 & 0xf
        if first == 0x62 {
            guard third & 4 != 0, second & 8 == 0 else { throw .invalid }
            let fourth = try next()
            result.vectorLength = fourth >> 5 & 3
            result.hasBroadcast = fourth & 0x10 != 0
            result.mask = fourth & 7
            if fourth & 8 == 0 { result.third |= 0x10 }
        } else {
            result.vectorLength = third >> 2 & 1
        }
        guard let map = Instruction.Map(rawValue: map), map != .oneByte,
            result.encoding == .evex || map.rawValue <= 3
        else { throw .invalid }
        result.map = map
        result.opcodeOffset = UInt8(index)
        result.opcode = try next()
        if mode != .bits64 {
            extensions = (0, 0, 0)
            result.third &= 7
        }
        switch map {
        case .threeByte3A: return .modRMImmediate8
        case .twoByte:
            let shape = try known(OpcodeMap.twoByte[result.opcode])
            switch shape {
            case .modRM, .modRMImmediate8: return shape
            case .plain where result.opcode == 0x77 && result.encoding == .vex: return shape
            default: throw .invalid
            }
        default: return .modRM
        }
    }

    private var addressSize: UInt8 {
        switch mode {
        case .bits64: hasAddressSize ? 32 : 64
        case .bits32: hasAddressSize ? 16 : 32
        case .bits16: hasAddressSize ? 32 : 16
        }
    }

    private var operandSize: Int {
        if result.isWide { return 64 }
        return (mode == .bits16) != result.hasOperandSize ? 16 : 32
    }

    private func immediateCount(_ shape: OpcodeMap.Shape) throws(Failure) -> Int {
        let sized = operandSize == 16 ? 2 : 4
        return switch shape {
        case .modRMImmediate8, .immediate8, .immediate8Legacy, .modRMImmediate8Legacy: 1
        case .immediate16: 2
        case .immediate16And8: 3
        case .immediate, .modRMImmediate: sized
        case .wideImmediate: operandSize / 8
        case .address: Int(addressSize) / 8
        case .distance: mode == .bits64 ? 4 : sized
        case .farPointer: sized + 2
        case .group3Byte: result.group < 2 ? 1 : 0
        case .group3: result.group < 2 ? sized : 0
        default: 0
        }
    }

    private mutating func modRM(isRegisters: Bool = false) throws(Failure) {
        result.modRMOffset = UInt8(index)
        let byte = try next()
        result.hasModRM = true
        result.mode = byte >> 6
        result.group = byte >> 3 & 7
        result.low = byte & 7
        result.register = result.group | extensions.register
        result.registerOrMemory = result.low | extensions.base
        guard result.mode != 3, !isRegisters else {
            result.mode = 3
            return
        }
        var memory = Instruction.Memory()
        if addressSize == 16 {
            try operand16(&memory)
        } else {
            try operand(&memory)
        }
        memory.segment = segment ?? memory.segment
        result.memory = memory
    }

    private mutating func operand(_ memory: inout Instruction.Memory) throws(Failure) {
        var count = result.mode == 1 ? 1 : result.mode == 2 ? 4 : 0
        if result.low == 4 {
            let sib = try next()
            let index = sib >> 3 & 7 | extensions.index
            if index != 4 {
                memory.index = index
                memory.scale = 1 << (sib >> 6)
            }
            memory.base = sib & 7 | extensions.base
            if result.mode == 0, sib & 7 == 5 {
                memory.base = nil
                count = 4
            }
        } else if result.mode == 0, result.low == 5 {
            count = 4
            memory.isRelative = mode == .bits64
        } else {
            memory.base = result.low | extensions.base
        }
        if memory.base == 4 || memory.base == 5 { memory.segment = .ss }
        memory.displacement = try displacement(count)
        memory.hasScaledDisplacement = result.encoding == .evex && count == 1 && memory.displacement != 0
    }

    /// 16-bit addressing: pairs of BX, BP, SI and DI (Intel SDM 2, table 2-1).
    private mutating func operand16(_ memory: inout Instruction.Memory) throws(Failure) {
        var count = result.mode == 1 ? 1 : result.mode == 2 ? 2 : 0
        switch result.low {
        case 0: (memory.base, memory.index) = (3, 6)
        case 1: (memory.base, memory.index) = (3, 7)
        case 2: (memory.base, memory.index) = (5, 6)
        case 3: (memory.base, memory.index) = (5, 7)
        case 4: memory.base = 6
        case 5: memory.base = 7
        case 6:
            if result.mode == 0 { count = 2 } else { memory.base = 5 }
        default: memory.base = 3
        }
        if memory.base == 5 { memory.segment = .ss }
        memory.displacement = try displacement(count)
        memory.hasScaledDisplacement = result.encoding == .evex && count == 1 && memory.displacement != 0
    }

    /// A signed number of 0, 1, 2 or 4 bytes.
    private mutating func displacement(_ count: Int) throws(Failure) -> Int64 {
        var value: UInt64 = 0
        for position in 0..<count { value |= UInt64(try next()) << UInt64(position * 8) }
        return switch count {
        case 1: Int64(Int8(truncatingIfNeeded: value))
        case 2: Int64(Int16(truncatingIfNeeded: value))
        default: Int64(Int32(truncatingIfNeeded: value))
        }
    }
}
