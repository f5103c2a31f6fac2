import CLinux
import Testing

@testable import SoftwareKVM

#if arch(x86_64)
/// What the host executes for a guest, over all opcodes, prefixes and operand forms.
@Suite struct NativeConfinementTests {
    /// Instructions that must never run on the host, whatever else is added to the list: 64-bit code.
    static let hazards: [(name: String, code: [UInt8])] = [
        ("syscall", [0x0f, 0x05]), ("sysenter", [0x0f, 0x34]), ("sysexit", [0x0f, 0x35]), ("sysret", [0x0f, 0x07]),
        ("int", [0xcd, 0x80]), ("int3", [0xcc]), ("int1", [0xf1]), ("iret", [0xcf]),
        ("push", [0x50]), ("pop", [0x58]), ("push imm", [0x68, 0, 0, 0, 0]), ("push m", [0xff, 0x30]),
        ("pop m", [0x8f, 0x00]), ("pushf", [0x9c]), ("popf", [0x9d]), ("enter", [0xc8, 0, 0, 0]), ("leave", [0xc9]),
        ("call", [0xe8, 0, 0, 0, 0]), ("call m", [0xff, 0x10]), ("jmp m", [0xff, 0x20]), ("ret", [0xc3]),
        ("ret n", [0xc2, 0, 0]), ("far ret", [0xcb]), ("far call", [0xff, 0x18]), ("far jmp", [0xff, 0x28]),
        ("loop", [0xe2, 0]), ("jrcxz", [0xe3, 0]),
        ("movs", [0xf3, 0xa4]), ("cmps", [0xa6]), ("stos", [0xf3, 0xaa]), ("lods", [0xac]), ("scas", [0xae]),
        ("ins", [0x6c]), ("outs", [0x6e]), ("xlat", [0xd7]), ("moffs", [0xa0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("in", [0xe4, 0x10]), ("out", [0xee]), ("hlt", [0xf4]), ("cli", [0xfa]), ("sti", [0xfb]),
        ("maskmovq", [0x0f, 0xf7, 0xc1]), ("maskmovdqu", [0x66, 0x0f, 0xf7, 0xc1]),
        ("vmaskmovdqu", [0xc5, 0xf9, 0xf7, 0xc1]),
        ("movdir64b", [0x66, 0x0f, 0x38, 0xf8, 0x00]), ("enqcmd", [0xf2, 0x0f, 0x38, 0xf8, 0x00]),
        ("enqcmds", [0xf3, 0x0f, 0x38, 0xf8, 0x00]), ("movdiri", [0x0f, 0x38, 0xf9, 0x00]),
        ("aadd", [0x0f, 0x38, 0xfc, 0x00]), ("wrss", [0x0f, 0x38, 0xf6, 0x00]),
        ("wruss", [0x66, 0x0f, 0x38, 0xf5, 0x00]),
        ("rdfsbase", [0xf3, 0x0f, 0xae, 0xc0]), ("rdgsbase", [0xf3, 0x0f, 0xae, 0xc8]),
        ("wrfsbase", [0xf3, 0x0f, 0xae, 0xd0]), ("wrgsbase", [0xf3, 0x0f, 0xae, 0xd8]),
        ("fxsave", [0x0f, 0xae, 0x00]), ("fxrstor", [0x0f, 0xae, 0x08]), ("xsave", [0x0f, 0xae, 0x20]),
        ("xrstor", [0x0f, 0xae, 0x28]), ("xsaveopt", [0x0f, 0xae, 0x30]), ("clflush", [0x0f, 0xae, 0x38]),
        ("incssp", [0xf3, 0x0f, 0xae, 0xe8]), ("rstorssp", [0xf3, 0x0f, 0x01, 0x28]),
        ("saveprevssp", [0xf3, 0x0f, 0x01, 0xea]), ("umonitor", [0xf3, 0x0f, 0xae, 0xf0]),
        ("clrssbsy", [0xf3, 0x0f, 0xae, 0x30]), ("rdpkru", [0x0f, 0x01, 0xee]), ("wrpkru", [0x0f, 0x01, 0xef]),
        ("xgetbv", [0x0f, 0x01, 0xd0]), ("xsetbv", [0x0f, 0x01, 0xd1]), ("vmcall", [0x0f, 0x01, 0xc1]),
        ("vmfunc", [0x0f, 0x01, 0xd4]), ("enclu", [0x0f, 0x01, 0xd7]), ("rdtscp", [0x0f, 0x01, 0xf9]),
        ("swapgs", [0x0f, 0x01, 0xf8]), ("sgdt", [0x0f, 0x01, 0x00]), ("sidt", [0x0f, 0x01, 0x08]),
        ("smsw", [0x0f, 0x01, 0xe0]), ("sldt", [0x0f, 0x00, 0xc0]), ("str", [0x0f, 0x00, 0xc8]),
        ("uiret", [0xf3, 0x0f, 0x01, 0xec]), ("senduipi", [0xf3, 0x0f, 0xc7, 0xf0]),
        ("cpuid", [0x0f, 0xa2]), ("rdtsc", [0x0f, 0x31]), ("rdpmc", [0x0f, 0x33]), ("rdrand", [0x0f, 0xc7, 0xf0]),
        ("rdseed", [0x0f, 0xc7, 0xf8]), ("rdpid", [0xf3, 0x0f, 0xc7, 0xf8]),
        ("cmpxchg16b", [0x48, 0x0f, 0xc7, 0x08]), ("xsavec", [0x0f, 0xc7, 0x20]), ("xrstors", [0x0f, 0xc7, 0x18]),
        ("xbegin", [0xc7, 0xf8, 0, 0, 0, 0]), ("xabort", [0xc6, 0xf8, 0]),
        ("mov from segment", [0x8c, 0xd8]), ("mov to segment", [0x8e, 0xd8]), ("lfs", [0x0f, 0xb4, 0x00]),
        ("lgs", [0x0f, 0xb5, 0x00]), ("lss", [0x0f, 0xb2, 0x00]), ("push fs", [0x0f, 0xa0]), ("pop gs", [0x0f, 0xa9]),
        ("mov cr", [0x0f, 0x20, 0xc0]), ("mov dr", [0x0f, 0x23, 0xc0]), ("bt far", [0x0f, 0xa3, 0x00]),
        ("bts far", [0x0f, 0xab, 0x00]), ("xchg m", [0x87, 0x00]), ("lock add", [0xf0, 0x01, 0x00]),
        ("encodekey", [0xf3, 0x0f, 0x38, 0xfa, 0xc0]), ("aesenc128kl", [0xf3, 0x0f, 0x38, 0xdc, 0x00]),
        ("aesencwide128kl", [0xf3, 0x0f, 0x38, 0xd8, 0x00]), ("hreset", [0xf3, 0x0f, 0x3a, 0xf0, 0xc0, 0]),
        ("femms", [0x0f, 0x0e]), ("3dnow", [0x0f, 0x0f, 0xc0, 0x9e]), ("jmpe", [0x0f, 0xb8, 0, 0, 0, 0]),
        ("extrq", [0x66, 0x0f, 0x78, 0xc0, 0, 0]), ("insertq", [0xf2, 0x0f, 0x78, 0xc0, 0, 0]),
        ("ldtilecfg", [0xc4, 0xe2, 0x78, 0x49, 0x00]), ("tilerelease", [0xc4, 0xe2, 0x78, 0x49, 0xc0]),
        ("tileloadd", [0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x08]), ("tdpbssd", [0xc4, 0xe2, 0x73, 0x5e, 0xc2]),
        ("vgatherdps", [0xc4, 0xe2, 0x71, 0x92, 0x1c, 0x90]), ("vpgatherdd", [0xc4, 0xe2, 0x71, 0x90, 0x1c, 0x90]),
        ("evex vgatherdps", [0x62, 0xf2, 0x7d, 0x49, 0x92, 0x1c, 0x90]),
        ("vpscatterdd", [0x62, 0xf2, 0x7d, 0x49, 0xa0, 0x1c, 0x90]),
        ("vgatherpf0dps", [0x62, 0xf2, 0x7d, 0x49, 0xc6, 0x0c, 0x90]),
        ("cmpoxadd", [0xc4, 0xe2, 0x71, 0xe0, 0x00]), ("xop", [0x8f, 0xe9, 0x78, 0x81, 0xc0]),
        ("lwpins", [0x8f, 0xea, 0x78, 0x12, 0xc0, 0, 0, 0, 0]), ("rex2 push", [0xd5, 0x10, 0x50]),
        ("evex map 4", [0x62, 0xf4, 0x7c, 0x18, 0xff, 0xf0]),
        ("evex with a register above 15", [0x62, 0xf9, 0x7d, 0x48, 0xfe, 0x00]),
        ("vex map 7", [0xc4, 0xe7, 0x7b, 0xf8, 0xc0, 0, 0, 0, 0]),
    ]

    @Test(arguments: hazards) func hazardsAreRefused(name: String, code: [UInt8]) {
        // What the decoder does not know is not executed either.
        guard let instruction = try? InstructionDecoder.decode(InstructionBytes(code + [0, 0, 0, 0]), .bits64) else {
            return
        }
        #expect(!isExecuted(instruction), "\(name)")
    }

    private func isExecuted(_ instruction: Instruction) -> Bool {
        NativeClass(instruction) != nil || PlainInstruction(instruction) == .computation
    }

    /// Byte strings without displacement and immediate: every map, opcode, mandatory prefix and register field, on registers
    /// and on memory.
    private func forms(_ mode: InstructionDecoder.Mode) -> [[UInt8]] {
        var prefixes: [[UInt8]] = []
        for legacy in [[], [0x66], [0xf3], [0xf2], [0x66, 0xf3]] as [[UInt8]] {
            for rex in mode == .bits64 ? [[], [0x48]] : [[]] as [[UInt8]] {
                for escape in [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]] as [[UInt8]] {
                    prefixes.append(legacy + rex + escape)
                }
            }
        }
        var all = prefixes.flatMap { forms($0, fields: 0..<8) }
        guard mode != .bits16 else { return all }
        for map in 1...6 as ClosedRange<UInt8> {
            for last in [0x78, 0x7c, 0xf8, 0xfc] as [UInt8] where map < 4 {
                for prefix in 0..<4 as Range<UInt8> { all += forms([0xc4, 0xe0 | map, last | prefix], fields: 2..<4) }
            }
            for last in [0x08, 0x18, 0x28, 0x48, 0x58] as [UInt8] {
                for middle in [0x7c, 0x7d, 0x7e, 0x7f, 0xfc, 0xfd, 0xfe, 0xff] as [UInt8] {
                    all += forms([0x62, 0xf0 | map, middle, last], fields: 2..<4)
                }
            }
        }
        return all
    }

    private func forms(_ prefix: [UInt8], fields: Range<UInt8>) -> [[UInt8]] {
        var all: [[UInt8]] = []
        for opcode in 0...255 as ClosedRange<UInt8> {
            for field in fields {
                all.append(prefix + [opcode, 0xc1 | field << 3])
                all.append(prefix + [opcode, 0x03 | field << 3])
            }
        }
        return all
    }

    /// Each accepted form is executed, with breakpoint instructions for its immediate: if the processor took the
    /// instruction for a shorter one than the decoder did, they would be met. The operand ends or begins where
    /// nothing is mapped, so that a wider one than allowed, or another place, would fault.
    @Test(arguments: [InstructionDecoder.Mode.bits64, .bits32, .bits16])
    func acceptedFormsAreOneInstructionOnOneOperand(mode: InstructionDecoder.Mode) throws {
        let engine = try #require(NativeEngine())
        let window = UInt64(UInt(bitPattern: caisson_native_window(engine.handle)))
        let all = PROT_READ | PROT_WRITE
        #expect(caisson_native_protect(engine.handle, all, PROT_NONE) == 0)
        #expect(engine.begin())
        defer { engine.end() }
        // At the end of the page, and at its beginning.
        let places = [window + 4096 - UInt64(NativeEngine.ordinarySpan), window]
        var executed = 0
        for (number, form) in forms(mode).enumerated() {
            let bytes = InstructionBytes(form + [UInt8](repeating: 0xcc, count: 8))
            guard let instruction = try? InstructionDecoder.decode(bytes, mode), isExecuted(instruction) else {
                continue
            }
            let rewriter = InstructionRewriter(instruction, bytes, mode)
            guard rewriter.isFaithful(to: instruction) else {
                Issue.record("\(bytes.array) would become \(rewriter.code.array)")
                continue
            }
            executed += 1
            let vector = execute(rewriter, places[number & 1], NativeClass(instruction), engine)
            // Divide error, invalid opcode, x87 and SIMD exceptions: none of a place or of a breakpoint.
            #expect([nil, 0, 6, 16, 19].contains(vector), "\(rewriter.code.array) raised \(vector ?? 0)")
        }
        #expect(executed > 10_000 || mode == .bits16 && executed > 1_000)
    }

    /// A guest's XSAVE carries what the engine does, whatever the guest has enabled: PKRU, with which Linux starts every
    /// process, is the host thread's.
    @Test func stateOfTheHostsThreadStaysOut() throws {
        let guest = try Guest()
        guest.cpu.special.cr4 |= 1 << 18
        guest.cpu.control.nr_xcrs = 1
        guest.cpu.control.xcrs.0.value = 0x6_02e7
        try guest.write([0x48, 0x0f, 0xae, 0x23], atKernel: Guest.kernel + 0x2_0000)  // xsave64 [rbx]
        guest.cpu.general.rip = Guest.kernel + 0x2_0000
        guest.cpu.general.rbx = Guest.kernel + 0x3_0000
        (guest.cpu.general.rax, guest.cpu.general.rdx) = (0xffff_ffff, 0xffff_ffff)
        var repair = InstructionRepair(isNeeded: true)
        #expect(try repair.emulationFailed(on: guest.cpu, guest.memory) == nil)
        #expect(guest.cpu.general.rip == Guest.kernel + 0x2_0004)
        #expect(guest.cpu.general.rax == 0xffff_ffff && guest.cpu.general.rdx == 0xffff_ffff)
        #expect(try guest.memory.load(UInt64.self, at: 0x3_0200) & ~0xe7 == 0)
    }

    /// The vector of the fault, if there was one.
    private func execute(
        _ rewriter: InstructionRewriter, _ place: UInt64, _ kind: NativeClass?, _ engine: NativeEngine
    ) -> UInt32? {
        let state = engine.extendedState
        memset(state, 0, 1024)
        state.storeBytes(of: 0x1f80, toByteOffset: 24, as: UInt32.self)
        let registers = caisson_native_registers(engine.handle)
        // No address of anything.
        for number in 0..<16 { registers?[number] = 0x5aa5_0000_0000_0000 }
        registers?[16] = 0
        if let base = rewriter.base { registers?[Int(base)] = place }
        var fault = caisson_native_fault()
        let components = (kind ?? .general).components & engine.components
        let result = rewriter.code.array.withUnsafeBufferPointer { code in
            caisson_native_execute(engine.handle, code.baseAddress, code.count, components, &fault)
        }
        return result == 1 ? fault.vector : nil
    }
}
#endif
