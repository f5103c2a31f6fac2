/// What follows an opcode, for each of the 256 opcodes of a map (Intel SDM 2, appendix A; AMD APM 3, appendix A).
struct OpcodeMap: Sendable {
    enum Shape: UInt8 {
        /// Nothing.
        case plain = 0x2d  // -
        /// A ModRM byte.
        case modRM = 0x6d  // m
        /// A ModRM byte whose two operands are registers whatever it says.
        case registers = 0x72  // r
        /// A ModRM byte and an 8-bit immediate.
        case modRMImmediate8 = 0x4d  // M
        /// A ModRM byte and an immediate of the operand's size, at most 32 bits.
        case modRMImmediate = 0x5a  // Z
        /// A ModRM byte, and an 8-bit immediate if its register field is 0 or 1.
        case group3Byte = 0x67  // g
        /// A ModRM byte, and an immediate of the operand's size if its register field is 0 or 1.
        case group3 = 0x47  // G
        case immediate8 = 0x62  // b
        case immediate16 = 0x77  // w
        /// 16 bits and 8 bits: ENTER.
        case immediate16And8 = 0x65  // e
        case immediate = 0x7a  // z
        /// An immediate of the operand's size, up to 64 bits.
        case wideImmediate = 0x76  // v
        /// A memory address of the address's size.
        case address = 0x6f  // o
        /// A branch distance: 32 bits in 64-bit mode, otherwise of the operand's size.
        case distance = 0x6a  // j
        /// A far pointer; not in 64-bit mode.
        case farPointer = 0x66  // f
        /// Nothing; not in 64-bit mode.
        case plainLegacy = 0x78  // x
        /// An 8-bit immediate; not in 64-bit mode.
        case immediate8Legacy = 0x42  // B
        /// A ModRM byte and an 8-bit immediate; not in 64-bit mode.
        case modRMImmediate8Legacy = 0x58  // X
        /// Not an instruction, or handled before the map is asked: a prefix or an escape.
        case none = 0x3f  // ?
    }

    private let shapes: InlineArray<256, UInt8>

    private init(_ rows: StaticString) {
        precondition(rows.utf8CodeUnitCount == 256)
        var shapes = InlineArray<256, UInt8>(repeating: 0)
        // SAFETY: the literal has 256 code units, checked above.
        for index in 0..<256 { shapes[index] = unsafe rows.utf8Start[index] }
        self.shapes = shapes
    }

    subscript(opcode: UInt8) -> Shape { Shape(rawValue: shapes[Int(opcode)]) ?? .none }

    static let oneByte = OpcodeMap(
        """
        mmmmbzxxmmmmbzx?\
        mmmmbzxxmmmmbzxx\
        mmmmbz?xmmmmbz?x\
        mmmmbz?xmmmmbz?x\
        ----------------\
        ----------------\
        xxmm????zZbM----\
        bbbbbbbbbbbbbbbb\
        MZXMmmmmmmmmmmmm\
        ----------f-----\
        oooo----bz------\
        bbbbbbbbvvvvvvvv\
        MMw-mmMZe-w--bx-\
        mmmmBBx-mmmmmmmm\
        bbbbbbbbjjfb----\
        ?-??--gG------mm
        """)

    /// Behind 0F.
    static let twoByte = OpcodeMap(
        """
        mmmm?-----?-?m-M\
        mmmmmmmmmmmmmmmm\
        rrrr????mmmmmmmm\
        ------?-????????\
        mmmmmmmmmmmmmmmm\
        mmmmmmmmmmmmmmmm\
        mmmmmmmmmmmmmmmm\
        MMMMmmm-mm??mmmm\
        jjjjjjjjjjjjjjjj\
        mmmmmmmmmmmmmmmm\
        ---mMm??---mMmmm\
        mmmmmmmmmmMmmmmm\
        mmMmMMMm--------\
        mmmmmmmmmmmmmmmm\
        mmmmmmmmmmmmmmmm\
        mmmmmmmmmmmmmmmm
        """)
}
