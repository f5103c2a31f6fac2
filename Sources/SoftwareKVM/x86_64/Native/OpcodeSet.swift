/// A set of opcodes of one map.
struct OpcodeSet: Sendable {
    private var words = InlineArray<4, UInt64>(repeating: 0)

    init(_ ranges: ClosedRange<UInt8>...) {
        for range in ranges {
            for opcode in range { words[Int(opcode >> 6)] |= 1 << UInt64(opcode & 63) }
        }
    }

    @inline(__always)
    func contains(_ opcode: UInt8) -> Bool { words[Int(opcode >> 6)] >> UInt64(opcode & 63) & 1 != 0 }
}

extension ClosedRange<UInt8> {
    /// A single opcode as a range.
    static func one(_ opcode: UInt8) -> Self { opcode...opcode }
}
