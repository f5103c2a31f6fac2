import CLinux
import GuestMemory
import Testing

@testable import SoftwareKVM

#if arch(x86_64)
/// Whether the machine that runs the tests has AVX-512's state.
private let hasAVX512 = NativeEngine().map { $0.components & 0xe0 == 0xe0 } ?? false

@Suite struct NativeExecutionTests {
    private static let start = Guest.kernel + 0x2_0000
    private static let data = Guest.kernel + 0x3_0000

    /// A guest at an instruction, with AVX enabled and RBX at its data.
    private func guest(_ code: [UInt8]) throws -> Guest {
        let guest = try Guest()
        // What follows is HLT, which nothing here executes.
        try guest.write(code + [0xf4], atKernel: Self.start)
        guest.cpu.general.rip = Self.start
        guest.cpu.general.rbx = Self.data
        guest.cpu.special.cr4 |= 1 << 18
        guest.cpu.control.nr_xcrs = 1
        guest.cpu.control.xcrs.0.value = hasAVX512 ? 0xe7 : 7
        return guest
    }

    @discardableResult
    private func complete(_ guest: Guest) throws -> InstructionRepair.Statistics {
        var repair = InstructionRepair(isNeeded: true)
        let diagnosis = try repair.emulationFailed(on: guest.cpu, guest.memory)
        #expect(diagnosis == nil)
        return repair.statistics
    }

    private func expectException(_ guest: Guest, _ vector: UInt8, errorCode: UInt32? = nil) {
        let exception = guest.cpu.eventState.exception
        #expect(exception.injected == 1)
        #expect(exception.nr == vector)
        #expect(exception.has_error_code == (errorCode == nil ? 0 : 1))
        #expect(exception.error_code == errorCode ?? 0)
    }

    private func bytes(_ words: UInt32...) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    }

    @Test func populationCount() throws {
        let guest = try guest([0xf3, 0x48, 0x0f, 0xb8, 0xc1])
        guest.cpu.general.rcx = 0xff00_0000_0000_0001
        guest.cpu.general.rflags = 0x246
        try complete(guest)
        #expect(guest.cpu.general.rax == 9)
        #expect(guest.cpu.general.rflags == 0x202)
        #expect(guest.cpu.general.rip == Self.start + 5)
    }

    @Test func everyOtherRegisterStays() throws {
        let guest = try guest([0xf3, 0x48, 0x0f, 0xb8, 0x03])  // popcnt rax, [rbx]
        for number in 0..<16 as Range<UInt8> where number != 3 { guest.cpu.general[number] = 0x1000 + UInt64(number) }
        try guest.memory.store(UInt64(0xf0f0), at: 0x3_0000)
        let before = guest.cpu.general
        try complete(guest)
        #expect(guest.cpu.general.rax == 8)
        for number in 1..<16 as Range<UInt8> { #expect(guest.cpu.general[number] == before[number]) }
    }

    /// The operand's address goes into a register that the instruction does not use, whichever it uses.
    @Test(
        arguments: [
            ([0xf3, 0x48, 0x0f, 0xb8, 0x33], 6), ([0xf3, 0x48, 0x0f, 0xb8, 0x3b], 7),
            ([0xf3, 0x48, 0x0f, 0xb8, 0x2b], 5),
            ([0xf3, 0x4c, 0x0f, 0xb8, 0x33], 14), ([0xf3, 0x48, 0x0f, 0xb8, 0x23], 4),
        ] as [([UInt8], UInt8)])
    func destinations(code: [UInt8], number: UInt8) throws {
        let guest = try guest(code)
        try guest.memory.store(UInt64(0x1ff), at: 0x3_0000)
        try complete(guest)
        #expect(guest.cpu.general[number] == 9)
    }

    @Test func thirdOperand() throws {
        let guest = try guest([0xc4, 0xe2, 0xc8, 0xf2, 0x3b])  // andn rdi, rsi, [rbx]
        guest.cpu.general.rsi = 0xff
        try guest.memory.store(UInt64(0x1234), at: 0x3_0000)
        try complete(guest)
        #expect(guest.cpu.general.rdi == 0x1200)
        #expect(guest.cpu.general.rsi == 0xff)
        #expect(guest.cpu.general.rbp == 0)
    }

    @Test(
        arguments: [
            // crc32 with a register operand, movbe in both directions.
            ([0xf2, 0x48, 0x0f, 0x38, 0xf1, 0xc1], 0x1234_5678, nil),
            ([0x48, 0x0f, 0x38, 0xf0, 0x03], 0x8877_6655_4433_2211, nil),
            ([0x48, 0x0f, 0x38, 0xf1, 0x0b], nil, 0xefcd_ab90_7856_3412),
        ] as [([UInt8], UInt64?, UInt64?)])
    func generalInstructions(code: [UInt8], rax: UInt64?, memory: UInt64?) throws {
        let guest = try guest(code)
        guest.cpu.general.rcx = 0x1234_5678_90ab_cdef
        try guest.memory.store(UInt64(0x1122_3344_5566_7788), at: 0x3_0000)
        try complete(guest)
        if code[0] == 0xf2 {
            #expect(guest.cpu.general.rax == crc32c(0, guest.cpu.general.rcx))
        } else if let rax {
            #expect(guest.cpu.general.rax == rax)
        }
        if let memory { #expect(try guest.memory.load(UInt64.self, at: 0x3_0000) == memory) }
    }

    /// The polynomial of iSCSI, bit by bit.
    private func crc32c(_ start: UInt32, _ value: UInt64) -> UInt64 {
        var crc = start
        for byte in 0..<8 as Range<UInt64> {
            crc ^= UInt32(value >> (byte * 8) & 0xff)
            for _ in 0..<8 { crc = crc & 1 != 0 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
        }
        return UInt64(crc)
    }

    @Test func vectorsOfSSE2() throws {
        // movd xmm15, ecx, which stopped Debian's kernel.
        let move = try guest([0x66, 0x44, 0x0f, 0x6e, 0xf9])
        move.cpu.general.rcx = 0xffff_ffff_dead_beef
        move.cpu.setVector(15, [UInt8](repeating: 0xff, count: 16))
        try complete(move)
        #expect(move.cpu.vector(15) == bytes(0xdead_beef, 0, 0, 0))

        let add = try guest([0x66, 0x0f, 0xfe, 0xca])  // paddd xmm1, xmm2
        add.cpu.setVector(1, bytes(1, 2, 3, 0xffff_ffff))
        add.cpu.setVector(2, bytes(10, 20, 30, 2))
        add.cpu.setVector(3, bytes(7, 7, 7, 7))
        try complete(add)
        #expect(add.cpu.vector(1) == bytes(11, 22, 33, 1))
        #expect(add.cpu.vector(2) == bytes(10, 20, 30, 2))
        #expect(add.cpu.vector(3) == bytes(7, 7, 7, 7))
    }

    @Test func vectorsOfAVX2() throws {
        let guest = try guest([0xc5, 0xed, 0xfe, 0x0b])  // vpaddd ymm1, ymm2, [rbx]
        guest.cpu.setVector(2, bytes(1, 2, 3, 4))
        guest.cpu.setVector(2, bytes(5, 6, 7, 8), upper: true)
        for index in 0..<8 as Range<UInt64> {
            try guest.memory.store(UInt32(100 * (index + 1)), at: GuestAddress(0x3_0000 + index * 4))
        }
        try complete(guest)
        #expect(guest.cpu.vector(1) == bytes(101, 202, 303, 404))
        #expect(guest.cpu.vector(1, upper: true) == bytes(505, 606, 707, 808))
    }

    @Test(
        .enabled(if: hasAVX512, "the processor has no AVX-512"),
        arguments: [
            // vpaddd zmm1, zmm2, [rbx + 1 * 64]; {1to16} [rbx + 1 * 4]; vpaddd xmm1, xmm2, [rbx + 1 * 16];
            // vpmovzxbd zmm1, [rbx + 1 * 16]; vpaddd zmm1{k1}{z}, zmm2, [rbx + 1 * 64] with an empty mask.
            ([0x62, 0xf1, 0x6d, 0x48, 0xfe, 0x4b, 0x01], 64), ([0x62, 0xf1, 0x6d, 0x58, 0xfe, 0x4b, 0x01], 4),
            ([0x62, 0xf1, 0x6d, 0x08, 0xfe, 0x4b, 0x01], 16), ([0x62, 0xf2, 0x7d, 0x48, 0x31, 0x4b, 0x01], 16),
            ([0x62, 0xf1, 0x6d, 0xc9, 0xfe, 0x4b, 0x01], nil),
        ] as [([UInt8], UInt64?)])
    func scaledDisplacements(code: [UInt8], place: UInt64?) throws {
        let guest = try guest(code)
        try guest.memory.store(UInt64(0), at: 0x3_0000)
        if let place { try guest.memory.store(UInt32(0x2a), at: GuestAddress(0x3_0000 + place)) }
        try complete(guest)
        #expect(guest.cpu.vector(1).prefix(4) == bytes(place == nil ? 0 : 0x2a)[...])
        #expect(guest.cpu.eventState.exception.injected == 0)
    }

    @Test func addressing() throws {
        // popcnt eax, [rip + 0x10]; gs:[rbx]; [rbx + rcx * 8 - 8].
        let relative = try guest([0xf3, 0x0f, 0xb8, 0x05, 0x10, 0, 0, 0])
        try relative.memory.store(UInt32(7), at: 0x2_0018)
        try complete(relative)
        #expect(relative.cpu.general.rax == 3)
        let perCPU = try guest([0x65, 0xf3, 0x0f, 0xb8, 0x03])
        perCPU.cpu.general.rbx = 0x40
        perCPU.cpu.special.gs.base = Self.data
        try perCPU.memory.store(UInt32(15), at: 0x3_0040)
        try complete(perCPU)
        #expect(perCPU.cpu.general.rax == 4)
        let indexed = try guest([0xf3, 0x0f, 0xb8, 0x44, 0xcb, 0xf8])
        indexed.cpu.general.rcx = 3
        try indexed.memory.store(UInt32(1), at: 0x3_0010)
        try complete(indexed)
        #expect(indexed.cpu.general.rax == 1)
    }

    @Test func operandAcrossPages() throws {
        let load = try guest([0xf3, 0x0f, 0x6f, 0x03])  // movdqu xmm0, [rbx]
        load.cpu.general.rbx = Self.data + 0xff8
        // The next linear page is somewhere else.
        try load.setEntry(0x7_0003, page: 0x31)
        try load.memory.store(UInt64(0x0706_0504_0302_0100), at: 0x3_0ff8)
        try load.memory.store(UInt64(0x0f0e_0d0c_0b0a_0908), at: 0x7_0000)
        try complete(load)
        #expect(load.cpu.vector(0) == (0..<16).map { UInt8($0) })

        let store = try guest([0xf3, 0x0f, 0x7f, 0x03])
        store.cpu.general.rbx = Self.data + 0xffd
        try store.setEntry(0x7_0003, page: 0x31)
        store.cpu.setVector(0, (1...16).map { UInt8($0) })
        try store.memory.store(UInt8(0xaa), at: 0x3_0ffc)
        try store.memory.store(UInt8(0xbb), at: 0x7_000d)
        try complete(store)
        #expect(try store.memory.read(4, at: 0x3_0ffc) == [0xaa, 1, 2, 3])
        #expect(try store.memory.read(14, at: 0x7_0000) == (4...16).map { UInt8($0) } + [0xbb])
        #expect(try store.memory.load(UInt64.self, at: 0x6188) == 0x7_0063)
    }

    @Test func faultsAreTheGuests() throws {
        // A page that is absent, behind one that is there: only what reaches it faults.
        let across = try guest([0xf3, 0x0f, 0x6f, 0x03])
        across.cpu.general.rbx = Self.data + 0xff1
        try across.setEntry(0, page: 0x31)
        try complete(across)
        expectException(across, 14, errorCode: 0)
        #expect(across.cpu.special.cr2 == Self.data + 0x1000)
        #expect(across.cpu.general.rip == Self.start)
        let inside = try guest([0xf3, 0x0f, 0x6f, 0x03])
        inside.cpu.general.rbx = Self.data + 0xff0
        try inside.setEntry(0, page: 0x31)
        try complete(inside)
        #expect(inside.cpu.eventState.exception.injected == 0)

        let readOnly = try guest([0x66, 0x0f, 0xd6, 0x03])  // movq [rbx], xmm0
        try readOnly.setEntry(0x3_0001, page: 0x30)
        try complete(readOnly)
        expectException(readOnly, 14, errorCode: 3)
        #expect(readOnly.cpu.special.cr2 == Self.data)

        let misaligned = try guest([0x0f, 0x58, 0x03])  // addps xmm0, [rbx]
        misaligned.cpu.general.rbx = Self.data + 1
        try complete(misaligned)
        expectException(misaligned, 13, errorCode: 0)

        let wild = try guest([0x0f, 0x58, 0x03])
        wild.cpu.general.rbx = 0x1234_5678_9abc_def0
        try complete(wild)
        expectException(wild, 13, errorCode: 0)

        let invalid = try guest([0x0f, 0x38, 0xcf, 0xc0])  // gf2p8mulb without its prefix
        try complete(invalid)
        expectException(invalid, 6)
    }

    @Test func floatingPointExceptionsAreTheGuests() throws {
        let guest = try guest([0xf3, 0x0f, 0x5e, 0xc1])  // divss xmm0, xmm1
        guest.cpu.setVector(0, bytes(0x3f80_0000, 0, 0, 0))
        // MXCSR with division by zero unmasked.
        (guest.cpu.extended[24], guest.cpu.extended[25]) = (0x80, 0x1d)
        try complete(guest)
        expectException(guest, 19)
        let masked = try self.guest([0xf3, 0x0f, 0x5e, 0xc1])
        masked.cpu.setVector(0, bytes(0x3f80_0000, 0, 0, 0))
        try complete(masked)
        #expect(masked.cpu.vector(0) == bytes(0x7f80_0000, 0, 0, 0))
        #expect(masked.cpu.extended[24] & 4 != 0)
    }

    @Test func stateThatTheGuestHasNotEnabled() throws {
        let cases: [(code: [UInt8], vector: UInt8, change: (FakeCPU) -> Void)] = [
            ([0x66, 0x0f, 0xef, 0xc0], 6, { $0.special.cr4 &= ~(1 << 9) }),
            ([0x66, 0x0f, 0xef, 0xc0], 7, { $0.special.cr0 |= 8 }),
            ([0x66, 0x0f, 0xef, 0xc0], 6, { $0.special.cr0 |= 4 }),
            ([0xd9, 0xe8], 7, { $0.special.cr0 |= 8 }),
            ([0xc5, 0xf9, 0xef, 0xc0], 6, { $0.special.cr4 &= ~(1 << 18) }),
            ([0xc5, 0xf9, 0xef, 0xc0], 6, { $0.control.xcrs.0.value = 3 }),
            ([0x62, 0xf1, 0x7d, 0x48, 0xef, 0xc0], 6, { $0.control.xcrs.0.value = 7 }),
            ([0x0f, 0xae, 0x23], 6, { $0.special.cr4 &= ~(1 << 18) }),
        ]
        for (code, vector, change) in cases {
            let guest = try guest(code)
            change(guest.cpu)
            try complete(guest)
            expectException(guest, vector)
        }
    }

    @Test func memoryOutsideRAM() throws {
        let guest = try guest([0x66, 0x0f, 0xef, 0x03])
        try guest.setEntry(0xfee0_0003, page: 0x30)
        var repair = InstructionRepair(isNeeded: true)
        let diagnosis = try repair.emulationFailed(on: guest.cpu, guest.memory)
        #expect(diagnosis?.reason == .accessOutsideRAM(0xfee0_0000))
    }

    @Test func x87TellsNothingOfTheHost() throws {
        let guest = try guest([0xd9, 0x03])  // fld dword [rbx]
        try guest.memory.store(Float(1.5).bitPattern, at: 0x3_0000)
        try complete(guest)
        // ST0 in the register area from byte 32: 1.5 with an explicit leading one.
        #expect(Array(guest.cpu.extended[32..<42]) == [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0x3f])
        let place = guest.cpu.extended[8..<16].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        let operand = guest.cpu.extended[16..<24].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        #expect(place == Self.start || place == 0)
        #expect(operand == Self.data || operand == 0)
    }

    @Test func codeBehindIsExecutedOnTheWay() throws {
        let guest = try guest([
            0xb9, 4, 0, 0, 0,  // mov ecx, 4
            0x66, 0x0f, 0xef, 0xc0,  // pxor xmm0, xmm0
            0x66, 0x0f, 0xfe, 0x03,  // l: paddd xmm0, [rbx]
            0x48, 0x8d, 0x5b, 0x10,  // lea rbx, [rbx + 16]
            0xff, 0xc9,  // dec ecx
            0x75, 0xf4,  // jnz l
            0x66, 0x0f, 0x7e, 0xc0,  // movd eax, xmm0
        ])
        for index in 0..<4 as Range<UInt64> {
            try guest.memory.store(UInt32(index + 1), at: GuestAddress(0x3_0000 + index * 16))
        }
        // KVM executes the first by itself.
        guest.cpu.general.rip += 5
        guest.cpu.general.rcx = 4
        let statistics = try complete(guest)
        #expect(guest.cpu.general.rax == 10)
        #expect(guest.cpu.general.rip == Self.start + 25)
        #expect(guest.cpu.general.rbx == Self.data + 64)
        #expect(statistics == InstructionRepair.Statistics(completed: 1, exceptions: 0, followed: 17))
    }

    @Test func endlessLoopComesBack() throws {
        let guest = try guest([0x66, 0x0f, 0xef, 0xc0, 0xeb, 0xfa])
        #expect(try complete(guest).followed == 512)
    }

    @Test func guestThatStepsIsNotFollowed() throws {
        let guest = try guest([0x66, 0x0f, 0xef, 0xc0, 0x90])
        guest.cpu.general.rflags |= 1 << 8
        #expect(try complete(guest).followed == 0)
    }

    @Test func protectedModeOf32Bits() throws {
        let guest = try guest([])
        guest.cpu.special.efer = 0
        guest.cpu.special.cr0 = 0x33
        guest.cpu.special.cs.l = 0
        guest.cpu.special.cs.db = 1
        guest.cpu.special.ds.base = 0x3_0000
        guest.cpu.general.rip = 0x2_0000
        guest.cpu.general.rbx = 0x20
        try guest.memory.write([0xf3, 0x0f, 0xb8, 0x43, 0x04], at: 0x2_0000)  // popcnt eax, [ebx + 4]
        try guest.memory.store(UInt32(0x7f), at: 0x3_0024)
        try complete(guest)
        #expect(guest.cpu.general.rax == 7)
    }

    @Test func withoutAnEngine() throws {
        let guest = try guest([0xf3, 0x48, 0x0f, 0xb8, 0xc1])
        var repair = InstructionRepair(isNeeded: false)
        #expect(try repair.emulationFailed(on: guest.cpu, guest.memory)?.reason == .unsupportedInstruction)
    }
}
#endif
