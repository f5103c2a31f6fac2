/// What the processor pushes in 64-bit mode when it delivers an exception (Intel SDM 3, 6.14.2).
struct ExceptionFrame: Equatable {
    var rip: UInt64 = 0
    var cs: UInt64 = 0
    var rflags: UInt64 = 0
    var rsp: UInt64 = 0
    var ss: UInt64 = 0

    var privilegeLevel: UInt8 { UInt8(cs & 3) }

    init() {}

    /// Reads the frame at `linear`, which is the stack pointer, or 8 past it when there is an error code.
    init(at linear: UInt64, in memory: LinearMemory) throws(TranslationError) {
        var words: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
        // SAFETY: `words` has 40 bytes.
        unsafe try memory.read(linear, count: 40, into: &words)
        (rip, cs, rflags, rsp, ss) = words
    }
}
