import CLinux
import GuestMemory
import Testing

@testable import SoftwareKVM

@Suite struct SpecialInstructionTests {
    private static let start = Guest.kernel + 0x2_0000
    private static let data = Guest.kernel + 0x3_0000

    private func guest(_ code: [UInt8]) throws -> Guest {
        let guest = try Guest()
        try guest.write(code + [0xf4], atKernel: Self.start)
        guest.cpu.general.rip = Self.start
        guest.cpu.general.rbx = Self.data
        guest.cpu.special.cr4 |= 1 << 18
        guest.cpu.control.nr_xcrs = 1
        guest.cpu.control.xcrs.0.value = 7
        // A table of descriptors: code, data, conforming code, a system segment, and one of privilege level 3.
        let descriptors: [UInt64] = [
            0, 0x00af_9b00_0000_ffff, 0x00cf_9300_1000_0234, 0x0040_9f00_0000_0fff, 0x0000_8b00_0000_0067,
            0x00cf_f300_0000_ffff, 0x0000_8700_0000_0010,
        ]
        for (index, descriptor) in descriptors.enumerated() {
            try guest.memory.store(descriptor, at: GuestAddress(0x8000 + UInt64(index) * 8))
        }
        guest.cpu.special.gdt.base = Guest.kernel + 0x8000
        guest.cpu.special.gdt.limit = UInt16(descriptors.count) * 8 - 1
        return guest
    }

    private func complete(_ guest: Guest, length: UInt64) throws {
        var repair = InstructionRepair(isNeeded: true)
        #expect(try repair.emulationFailed(on: guest.cpu, guest.memory) == nil)
        #expect(guest.cpu.eventState.exception.injected == 0)
        #expect(guest.cpu.general.rip == Self.start + length)
    }

    private func expectException(_ guest: Guest, _ vector: UInt8) throws {
        var repair = InstructionRepair(isNeeded: true)
        #expect(try repair.emulationFailed(on: guest.cpu, guest.memory) == nil)
        #expect(guest.cpu.eventState.exception.injected == 1)
        #expect(guest.cpu.eventState.exception.nr == vector)
        #expect(guest.cpu.general.rip == Self.start)
    }

    @Test(arguments: [true, false]) func compareExchange16(isLocked: Bool) throws {
        let guest = try guest((isLocked ? [0xf0] : []) + [0x48, 0x0f, 0xc7, 0x0b])
        try guest.memory.store(UInt64(1), at: 0x3_0000)
        try guest.memory.store(UInt64(2), at: 0x3_0008)
        (guest.cpu.general.rax, guest.cpu.general.rdx, guest.cpu.general.rcx) = (1, 2, 9)
        try complete(guest, length: isLocked ? 5 : 4)
        #expect(guest.cpu.general.rflags & 0x40 != 0)
        #expect(try guest.memory.load(UInt64.self, at: 0x3_0000) == Self.data)
        #expect(try guest.memory.load(UInt64.self, at: 0x3_0008) == 9)

        guest.cpu.general.rip = Self.start
        try complete(guest, length: isLocked ? 5 : 4)
        #expect(guest.cpu.general.rflags & 0x40 == 0)
        #expect(guest.cpu.general.rax == Self.data)
        #expect(guest.cpu.general.rdx == 9)
    }

    @Test func compareExchange16Faults() throws {
        let misaligned = try guest([0x48, 0x0f, 0xc7, 0x0b])
        misaligned.cpu.general.rbx = Self.data + 8
        try expectException(misaligned, 13)
        let readOnly = try guest([0x48, 0x0f, 0xc7, 0x0b])
        try readOnly.setEntry(0x3_0001, page: 0x30)
        try expectException(readOnly, 14)
        #expect(readOnly.cpu.eventState.exception.error_code == 3)
    }

    @Test func extendedControlRegister() throws {
        let guest = try guest([0x0f, 0x01, 0xd0])
        try complete(guest, length: 3)
        #expect(guest.cpu.general.rax == 7)
        #expect(guest.cpu.general.rdx == 0)
        let inUse = try self.guest([0x0f, 0x01, 0xd0])
        inUse.cpu.general.rcx = 1
        inUse.cpu.extended[512] = 0x0b
        try complete(inUse, length: 3)
        #expect(inUse.cpu.general.rax == 3)
        let unknown = try self.guest([0x0f, 0x01, 0xd0])
        unknown.cpu.general.rcx = 2
        try expectException(unknown, 13)
        let disabled = try self.guest([0x0f, 0x01, 0xd0])
        disabled.cpu.special.cr4 &= ~(1 << 18)
        try expectException(disabled, 6)
    }

    @Test func timestampAndProcessor() throws {
        let guest = try guest([0x0f, 0x01, 0xf9])
        guest.cpu.msrs = [0x10: 0x1_2345_6789, 0xc000_0103: 0x3]
        try complete(guest, length: 3)
        #expect((guest.cpu.general.rax, guest.cpu.general.rdx, guest.cpu.general.rcx) == (0x2345_6789, 1, 3))
    }

    @Test func cacheLines() throws {
        for code in [[0x66, 0x0f, 0xae, 0x33], [0x66, 0x0f, 0xae, 0x3b], [0x0f, 0x1c, 0x03]] as [[UInt8]] {
            try complete(guest(code), length: UInt64(code.count))
            let absent = try guest(code)
            try absent.setEntry(0, page: 0x30)
            try expectException(absent, 14)
        }
    }

    @Test func hints() throws {
        let codes: [[UInt8]] = [
            [0x0f, 0x0d, 0x0b], [0x0f, 0x18, 0x0b], [0xf3, 0x0f, 0x1e, 0xfa], [0xf3, 0x0f, 0xae, 0xe0],
            [0x66, 0x0f, 0xae, 0xf1], [0x0f, 0x1f, 0x44, 0x00, 0x00],
        ]
        for code in codes { try complete(guest(code), length: UInt64(code.count)) }
    }

    @Test func invalidation() throws {
        let guest = try guest([0x66, 0x0f, 0x38, 0x82, 0x0b])
        guest.cpu.general.rcx = 3
        try complete(guest, length: 5)
        #expect(guest.cpu.flushes == 1)
        let unknown = try self.guest([0x66, 0x0f, 0x38, 0x82, 0x0b])
        unknown.cpu.general.rcx = 4
        try expectException(unknown, 13)
        let reserved = try self.guest([0x66, 0x0f, 0x38, 0x82, 0x0b])
        try reserved.memory.store(UInt64(0x1000), at: 0x3_0000)
        try expectException(reserved, 13)
    }

    @Test(
        arguments: [
            // Selector, access rights, limit; nil where ZF is cleared.
            (0x08, 0xaf_9b00, 0xffff_ffff), (0x10, 0xcf_9300, 0xf023_4fff), (0x18, 0x40_9f00, 0xfff),
            (0x20, 0x8b00, 0x67), (0x28, 0xcf_f300, 0xffff_ffff), (0x2b, 0xcf_f300, 0xffff_ffff), (0x13, nil, nil),
            (0x30, nil, nil), (0x00, nil, nil), (0x38, nil, nil), (0x0c, nil, nil),
        ] as [(UInt64, UInt64?, UInt64?)])
    func segments(selector: UInt64, rights: UInt64?, limit: UInt64?) throws {
        for (opcode, expected) in [(0x02, rights), (0x03, limit)] as [(UInt8, UInt64?)] {
            let guest = try guest([0x0f, opcode, 0xc1])
            guest.cpu.general.rcx = selector
            guest.cpu.general.rax = .max
            try complete(guest, length: 3)
            #expect(guest.cpu.general.rax == expected ?? .max)
            #expect((guest.cpu.general.rflags & 0x40 != 0) == (expected != nil))
        }
    }

    @Test(
        arguments: [
            (0x08, true, false), (0x10, true, true), (0x18, true, false), (0x20, false, false), (0x28, true, true),
            (0x13, false, false), (0x00, false, false),
        ] as [(UInt16, Bool, Bool)])
    func verification(selector: UInt16, canRead: Bool, canWrite: Bool) throws {
        // verr and verw of the word at RBX: what Linux does to clear buffers.
        for (code, isAllowed) in [([0x0f, 0x00, 0x23], canRead), ([0x0f, 0x00, 0x2b], canWrite)] as [([UInt8], Bool)] {
            let guest = try guest(code)
            try guest.memory.store(selector, at: 0x3_0000)
            try complete(guest, length: 3)
            #expect((guest.cpu.general.rflags & 0x40 != 0) == isAllowed, "\(selector)")
        }
    }

    @Test func undefinedInstructions() throws {
        for code in [[0x0f, 0xb9, 0xc0], [0x0f, 0xff, 0x03], [0x0f, 0x01, 0xc8], [0x0f, 0x01, 0xc9]] as [[UInt8]] {
            try expectException(guest(code), 6)
        }
    }

    @Test func lockedInstructionsAreNotTaken() throws {
        for code in [[0xf0, 0x0f, 0x01, 0xcb], [0xf0, 0x66, 0x0f, 0xef, 0xc0]] as [[UInt8]] {
            let guest = try guest(code)
            var repair = InstructionRepair(isNeeded: true)
            #expect(try repair.emulationFailed(on: guest.cpu, guest.memory)?.reason == .unsupportedInstruction)
        }
    }

    @Test func instructionThatGoesOnOnAnAbsentPage() throws {
        let guest = try guest([])
        try guest.write([0xf3, 0x48, 0x0f], atKernel: Self.start + 0xffd)
        guest.cpu.general.rip = Self.start + 0xffd
        try guest.setEntry(0, page: 0x21)
        var repair = InstructionRepair(isNeeded: true)
        #expect(try repair.emulationFailed(on: guest.cpu, guest.memory) == nil)
        #expect(guest.cpu.eventState.exception.nr == 14)
        #expect(guest.cpu.special.cr2 == Self.start + 0x1000)
        #expect(guest.cpu.eventState.exception.error_code == 0x10)
    }

    #if arch(x86_64)
    @Test func stateIsSavedAndRestored() throws {
        let value = (0..<16).map { UInt8($0 * 3) }
        // xsave64, xsaveopt64, xsavec64 and xsaves64, each restored by xrstor64 and xrstors64.
        let saves: [[UInt8]] = [
            [0x48, 0x0f, 0xae, 0x23], [0x48, 0x0f, 0xae, 0x33], [0x48, 0x0f, 0xc7, 0x23], [0x48, 0x0f, 0xc7, 0x2b],
        ]
        for save in saves {
            for restore in [[0x48, 0x0f, 0xae, 0x2b], [0x48, 0x0f, 0xc7, 0x1b]] as [[UInt8]] {
                let guest = try guest(save + restore)
                guest.cpu.general.rax = 0xffff_ffff
                guest.cpu.general.rdx = 0xffff_ffff
                // Across a page.
                guest.cpu.general.rbx = Self.data + 0xfc0
                guest.cpu.setVector(5, value)
                guest.cpu.setVector(5, value.reversed(), upper: true)
                try complete(guest, length: 4)
                #expect(guest.cpu.general.rax == 0xffff_ffff)
                #expect(try guest.memory.read(16, at: GuestAddress(0x3_0fc0 + 160 + 80)) == value)
                // The guest has no more than XCR0's components.
                #expect(try guest.memory.load(UInt64.self, at: GuestAddress(0x3_0fc0 + 512)) & ~7 == 0)
                guest.cpu.setVector(5, [UInt8](repeating: 0, count: 16))
                guest.cpu.setVector(5, [UInt8](repeating: 0, count: 16), upper: true)
                var repair = InstructionRepair(isNeeded: true)
                #expect(try repair.emulationFailed(on: guest.cpu, guest.memory) == nil)
                #expect(guest.cpu.eventState.exception.injected == 0)
                #expect(guest.cpu.vector(5) == value)
                #expect(guest.cpu.vector(5, upper: true) == value.reversed())
            }
        }
    }

    @Test func onlyRequestedStateIsSaved() throws {
        let guest = try guest([0x0f, 0xae, 0x23])
        guest.cpu.general.rax = 1
        guest.cpu.setVector(0, [UInt8](repeating: 0xaa, count: 16))
        try guest.memory.store(UInt64(2), at: GuestAddress(0x3_0000 + 512))
        try complete(guest, length: 3)
        #expect(try guest.memory.load(UInt64.self, at: GuestAddress(0x3_0000 + 160)) == 0)
        #expect(try guest.memory.load(UInt64.self, at: GuestAddress(0x3_0000 + 512)) & 2 == 2)
    }

    @Test func malformedStateIsRefused() throws {
        let misaligned = try guest([0x0f, 0xae, 0x2b])
        misaligned.cpu.general.rbx = Self.data + 8
        try expectException(misaligned, 13)
        let reserved = try guest([0x0f, 0xae, 0x2b])
        try reserved.memory.store(UInt64.max, at: GuestAddress(0x3_0000 + 512))
        try expectException(reserved, 13)
    }
    #endif
}
