import GuestMemory
import Testing

@Suite struct RegionTests {
    @Test(
        arguments: [
            (4096, [(0, 4096)]),
            (32 * mebibyte, [(0, 32 * mebibyte)]),
            (3 * gibibyte - 4096, [(0, 3 * gibibyte - 4096)]),
            (3 * gibibyte, [(0, 3 * gibibyte)]),
            (3 * gibibyte + 4096, [(0, 3 * gibibyte), (4 * gibibyte, 4096)]),
            (4 * gibibyte, [(0, 3 * gibibyte), (4 * gibibyte, gibibyte)]),
            (1 << 40, [(0, 3 * gibibyte), (4 * gibibyte, 1 << 40 - 3 * gibibyte)]),
        ] as [(UInt64, [(UInt64, UInt64)])])
    func memoryLiesAroundTheHole(_ size: UInt64, _ expected: [(start: UInt64, size: UInt64)]) throws {
        let memory = try GuestMemory(size: size)
        #expect(memory.size == size)
        #expect(memory.regions.map(\.start.rawValue) == expected.map(\.start))
        #expect(memory.regions.map(\.size) == expected.map(\.size))
        #expect(memory.regions.map(\.end.rawValue) == expected.map { $0.start + $0.size })
        // Regions follow each other in the host's mapping without a gap.
        #expect(memory.regions.map(\.hostOffset) == Array([0, 3 * gibibyte].prefix(expected.count)))
    }

    @Test(
        arguments: [
            0, 1, 4095, 4097, mebibyte + 1, 1 << 46 + 4096, 1 << 63, UInt64.max, UInt64.max - 4095,
        ] as [UInt64])
    func sizesThatAreNoMemoryAreRefused(_ size: UInt64) {
        #expect(throws: GuestMemoryError.invalidSize(size)) { try GuestMemory(size: size) }
    }

    @Test func whatTheHostCannotMapIsSaid() throws {
        // The whole of a process' address space on x86-64 is half of this with 4-level page tables.
        let size: UInt64 = 1 << 46
        do {
            let memories = try (0..<3).map { _ throws(GuestMemoryError) in try GuestMemory(size: size) }
            Issue.record("\(memories.count) times 64 TiB fit into the address space")
        } catch {
            guard case .cannotMap(size, let errno) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(errno == 12)  // ENOMEM
            #expect("\(error)".contains("\(size)"))
        }
    }

    @Test(
        arguments: [
            (0, 0, true), (0, 1, true), (0, 3 * gibibyte, true), (0, 3 * gibibyte + 1, false),
            (0, fourGibibytes, false), (0, .max, false),
            (3 * gibibyte - 1, 1, true), (3 * gibibyte - 1, 2, false), (3 * gibibyte - 1, gibibyte + 2, false),
            (3 * gibibyte, 1, false), (3 * gibibyte + 1, 0, false), (4 * gibibyte - 1, 1, false),
            (4 * gibibyte - 1, 2, false), (4 * gibibyte, 1, true), (4 * gibibyte, gibibyte, true),
            (4 * gibibyte, gibibyte + 1, false), (5 * gibibyte - 8, 8, true), (5 * gibibyte - 8, 9, false),
            (5 * gibibyte, 1, false), (5 * gibibyte + 1, 0, false),
            (.max, 0, false), (.max, 1, false), (.max, .max, false), (.max - 7, 8, false), (.max - 7, 16, false),
            (1, .max, false), (4 * gibibyte, .max, false), (4 * gibibyte, .max - 4 * gibibyte + 1, false),
        ] as [(UInt64, UInt64, Bool)])
    func aRangeIsInsideOneRegionOrNot(_ start: UInt64, _ count: UInt64, _ isInside: Bool) throws {
        let memory = try GuestMemory(size: fourGibibytes)
        let address = GuestAddress(start)
        #expect(memory.contains(address, count: count) == isInside)
        if isInside {
            let base = try memory.hostPointer(0, 0)
            let offset = start < 4 * gibibyte ? start : start - gibibyte
            #expect(try memory.hostPointer(address, count) == base + Int(offset))
        } else {
            #expect(throws: GuestMemoryError.notInRAM(address: address, count: count)) {
                try memory.hostPointer(address, count)
            }
        }
    }

    @Test func addressesDoNotWrap() {
        #expect(GuestAddress(.max).advanced(by: 0) == GuestAddress(.max))
        #expect(GuestAddress(.max).advanced(by: 1) == nil)
        #expect(GuestAddress(1).advanced(by: .max) == nil)
        #expect(GuestAddress(1).advanced(by: .max - 1) == GuestAddress(.max))
        #expect("\(GuestAddress(0xfee0_0000))" == "0xfee00000")
        #expect((0xfec0_0000 as GuestAddress) < 0xfee0_0000)
    }
}
