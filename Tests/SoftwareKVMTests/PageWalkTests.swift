import CLinux
import GuestMemory
import TestSupport
import Testing

@testable import SoftwareKVM

@Suite struct PageWalkTests {
    private static let longMode: UInt64 = 0x500
    private static let noExecute: UInt64 = 0x900 | 0x500

    private func walk(
        cr0: UInt64 = 0x8001_0001, cr3: UInt64 = 0x1000, cr4: UInt64 = 0x20, efer: UInt64 = longMode, rflags: UInt64 = 0
    ) -> PageWalk {
        var special = kvm_sregs()
        (special.cr0, special.cr3, special.cr4, special.efer) = (cr0, cr3, cr4, efer)
        return PageWalk(special, rflags: rflags)
    }

    /// RAM with 8-byte entries at the places given.
    private func memory(_ entries: [UInt64: UInt64]) throws -> GuestMemory {
        let memory = try GuestMemory(size: 4 << 20)
        for (place, entry) in entries { try memory.store(entry, at: GuestAddress(place)) }
        return memory
    }

    private let fourLevels: [UInt64: UInt64] = [
        0x1000: 0x2007, 0x1ff8: 0x2007, 0x2000: 0x3007, 0x2008: 0x0000_0087, 0x3000: 0x4007, 0x3008: 0x20_0087,
        0x4000: 0x9007, 0x4008: 0xa003, 0x4010: 0xb005, 0x4018: 0x8000_0000_0000_c007, 0x4020: 0xd001,
        0x4028: 0xfff_f000_0007,
    ]

    @Test(
        arguments: [
            (0x123, 0x9123), (0xffff_ff80_0000_0456, 0x9456), (0x1234, 0xa234), (0x21_2345, 0x21_2345),
            (0x4001_2345, 0x1_2345),
        ] as [(UInt64, UInt64)])
    func pagesOfEverySize(linear: UInt64, physical: UInt64) throws {
        #expect(try walk().translate(linear, .read, in: memory(fourLevels)) == GuestAddress(physical))
    }

    @Test func fiveLevels() throws {
        let tables: [UInt64: UInt64] = [0x1010: 0x5007, 0x5008: 0x2007, 0x2000: 0x3007, 0x3000: 0x4007, 0x4000: 0x9007]
        let linear: UInt64 = 2 << 48 | 1 << 39 | 0x77
        #expect(try walk(cr4: 0x1020).translate(linear, .read, in: memory(tables)) == 0x9077)
        #expect(throws: TranslationError.nonCanonical(address: linear)) {
            try walk().translate(linear, .read, in: memory(tables))
        }
    }

    @Test func physicalAddressExtension() throws {
        let tables: [UInt64: UInt64] = [0x1008: 0x3001, 0x3000: 0x4007, 0x3008: 0x20_0087, 0x4008: 0x9007]
        let memory = try memory(tables)
        let walk = walk(efer: 0)
        #expect(try walk.translate(0x4000_1234, .write, in: memory) == 0x9234)
        #expect(try walk.translate(0x4020_0005, .write, in: memory) == 0x20_0005)
        #expect(throws: TranslationError.pageFault(address: 0x10, errorCode: 0)) {
            try walk.translate(0x10, .read, in: memory)
        }
    }

    @Test func twoLevels() throws {
        let memory = try memory([0x1000: 0x80_0083 << 32 | 0x2007, 0x2008: 0x9005])
        let walk = walk(cr4: 0x10, efer: 0)
        #expect(try walk.translate(0x2010, [.read, .user], in: memory) == 0x9010)
        #expect(try walk.translate(0x40_0123, .read, in: memory) == 0x80_0123)
        #expect(throws: TranslationError.pageFault(address: 0x2010, errorCode: 0b111)) {
            try walk.translate(0x2010, [.write, .user], in: memory)
        }
        // Without PSE the bit that makes a page large means nothing.
        #expect(throws: TranslationError.notInRAM(0x80_0000)) {
            try self.walk(cr4: 0, efer: 0).translate(0x40_0123, .read, in: memory)
        }
    }

    @Test func noPaging() throws {
        let walk = walk(cr0: 1, efer: 0)
        #expect(try walk.translate(0x1_0000_0010, .write, in: memory([:])) == 0x10)
    }

    @Test(
        arguments: [
            // Pages: 0 all rights, 1 supervisor, 2 user read-only, 3 no execution, 4 supervisor read-only, 6 absent.
            (0x0000, [.write, .user], nil), (0x1000, .write, nil), (0x1000, [.user], 0b101),
            (0x2000, [.write, .user], 0b111), (0x2000, .write, 0b011), (0x3000, .fetch, 0b1_0001),
            (0x3000, [.fetch, .user], 0b1_0101), (0x3000, .write, nil), (0x4000, .read, nil), (0x4000, .write, 0b011),
            (0x6000, .read, 0b000), (0x6000, [.fetch, .user], 0b1_0100), (0x6000, .write, 0b010),
        ] as [(UInt64, Access, UInt32?)])
    func rights(linear: UInt64, access: Access, errorCode: UInt32?) throws {
        let memory = try memory(fourLevels)
        let walk = walk(efer: Self.noExecute)
        guard let errorCode else {
            _ = try walk.translate(linear, access, in: memory)
            return
        }
        #expect(throws: TranslationError.pageFault(address: linear, errorCode: errorCode)) {
            try walk.translate(linear, access, in: memory)
        }
    }

    @Test func supervisorWritesToReadOnlyPagesWithoutWriteProtection() throws {
        #expect(try walk(cr0: 0x8000_0001).translate(0x4000, .write, in: memory(fourLevels)) == 0xd000)
    }

    @Test func supervisorAccessPrevention() throws {
        let memory = try memory(fourLevels)
        #expect(throws: TranslationError.pageFault(address: 0, errorCode: 1)) {
            try walk(cr4: 0x20_0020).translate(0, .read, in: memory)
        }
        #expect(try walk(cr4: 0x20_0020, rflags: 1 << 18).translate(0, .read, in: memory) == 0x9000)
        #expect(try walk(cr4: 0x20_0020).translate(0, .user, in: memory) == 0x9000)
    }

    @Test func accessedAndDirtyBits() throws {
        let memory = try memory(fourLevels)
        _ = try walk().translate(0x21_0000, .read, in: memory)
        #expect(try memory.load(UInt64.self, at: 0x3008) == 0x20_00a7)
        _ = try walk().translate(0x21_0000, .write, in: memory)
        #expect(try memory.load(UInt64.self, at: 0x3008) == 0x20_00e7)
        #expect(try memory.load(UInt64.self, at: 0x1000) == 0x2027)
        // A refused access marks nothing at the page.
        #expect(throws: TranslationError.self) { try walk().translate(0x2000, .write, in: memory) }
        #expect(try memory.load(UInt64.self, at: 0x4010) == 0xb005)
    }

    @Test func tablesOutsideRAM() throws {
        #expect(throws: TranslationError.notInRAM(0x4000_0000)) {
            try walk(cr3: 0x4000_0000).translate(0, .read, in: memory(fourLevels))
        }
        // The page itself may lie anywhere: whoever touches it checks.
        #expect(try walk().translate(0x5000, .read, in: memory(fourLevels)) == 0xfff_f000_0000)
    }

    @Test func randomTablesNeverTrap() throws {
        var random = SeededGenerator(seed: 14)
        let memory = try GuestMemory(size: 64 << 10)
        for _ in 0..<200 {
            for place in 0..<64 as Range<UInt64> {
                var entry = UInt64.random(in: 0...UInt64.max, using: &random)
                if Bool.random(using: &random) { entry = entry & 0x8000_0000_0000_ffff | 1 }
                try memory.store(entry, at: GuestAddress(place * 1024 + UInt64.random(in: 0..<127, using: &random) * 8))
            }
            for _ in 0..<50 {
                let walk = walk(
                    cr0: UInt64.random(in: 0...UInt64.max, using: &random),
                    cr3: UInt64.random(in: 0...0x1_ffff, using: &random),
                    cr4: UInt64.random(in: 0...UInt64.max, using: &random),
                    efer: UInt64.random(in: 0...0xfff, using: &random))
                let access = Access(rawValue: UInt8.random(in: 0...7, using: &random))
                _ = try? walk.translate(UInt64.random(in: 0...UInt64.max, using: &random), access, in: memory)
            }
        }
    }
}
