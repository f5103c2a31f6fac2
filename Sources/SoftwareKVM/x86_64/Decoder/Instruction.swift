/// An instruction taken apart: its length, its opcode and its operands' encoding, not its meaning.
struct Instruction: Equatable, Sendable {
    enum Encoding: UInt8, Sendable {
        case legacy
        case vex
        case evex
    }

    /// The opcode map, by the numbers that VEX and EVEX encode.
    enum Map: UInt8, Sendable {
        case oneByte = 0
        /// Behind 0F.
        case twoByte = 1
        /// Behind 0F 38.
        case threeByte38 = 2
        /// Behind 0F 3A.
        case threeByte3A = 3
        /// EVEX only: half-precision floating point.
        case evex5 = 5
        case evex6 = 6
    }

    /// The prefix that belongs to the opcode, by the numbers that VEX and EVEX encode.
    enum MandatoryPrefix: UInt8, Sendable {
        case none = 0
        case operandSize = 1
        case repeatEqual = 2
        case repeatNotEqual = 3
    }

    enum Segment: UInt8, Sendable { case es, cs, ss, ds, fs, gs }

    /// A memory operand: segment:[base + index * scale + displacement].
    struct Memory: Equatable, Sendable {
        /// The number of a general register, or nil.
        var base: UInt8?
        var index: UInt8?
        var scale: UInt8 = 1
        var displacement: Int64 = 0
        /// The displacement counts from the end of the instruction.
        var isRelative = false
        /// EVEX: the displacement counts in units that depend on the instruction.
        var hasScaledDisplacement = false
        /// Where there is no segment prefix: SS if the base is RSP or RBP, otherwise DS.
        var segment = Segment.ds
    }

    /// Bytes.
    var length: UInt8 = 0
    var encoding = Encoding.legacy
    var map = Map.oneByte
    var opcode: UInt8 = 0
    var prefix = MandatoryPrefix.none
    var hasOperandSize = false
    var hasLock = false
    /// REX or a VEX-style prefix is there: byte registers 4 to 7 are SPL, BPL, SIL and DIL.
    var hasREX = false
    /// REX.W, VEX.W or EVEX.W.
    var isWide = false
    /// Bits: 16, 32 or 64.
    var addressSize: UInt8 = 64
    /// VEX.L or EVEX.L'L; EVEX.b; EVEX.aaa.
    var vectorLength: UInt8 = 0
    var hasBroadcast = false
    var mask: UInt8 = 0

    var hasModRM = false
    /// ModRM.mod, ModRM.reg and ModRM.rm; the latter two without their extensions.
    var mode: UInt8 = 0
    var group: UInt8 = 0
    var low: UInt8 = 0
    /// The numbers of the register operands, with their extensions.
    var register: UInt8 = 0
    var registerOrMemory: UInt8 = 0
    /// VEX.vvvv or EVEX.V'vvvv.
    var third: UInt8 = 0
    var memory: Memory?
    /// The first 8 bytes of the immediate.
    var immediate: UInt64 = 0

    /// Where the parts begin, from the instruction's first byte.
    var encodingOffset: UInt8 = 0
    var opcodeOffset: UInt8 = 0
    var modRMOffset: UInt8 = 0
    var immediateOffset: UInt8 = 0
}
