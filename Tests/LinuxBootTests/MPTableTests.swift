import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct MPTableTests {
    private func sum(_ bytes: some Sequence<UInt8>) -> UInt8 { bytes.reduce(0, &+) }

    /// The entries by kind, walked as a guest does (Intel MP specification 1.4, table 4-3).
    private func entries(_ table: [UInt8]) throws -> [UInt8: [[UInt8]]] {
        let count = try #require(table.field(UInt16.self, at: 34))
        let length = try #require(table.field(UInt16.self, at: 4))
        var result: [UInt8: [[UInt8]]] = [:]
        var offset = 44
        for _ in 0..<count {
            let size = table[offset] == 0 ? 20 : 8
            result[table[offset], default: []].append(Array(table[offset..<offset + size]))
            offset += size
        }
        #expect(offset == Int(length))
        #expect(offset == table.count)
        return result
    }

    @Test(arguments: [1, 2, 64, 254])
    func aGuestFindsProcessorsAndLines(_ count: Int) throws {
        let table = try MPTable(processorCount: count).configuration
        #expect(table.has(Array("PCMP".utf8)))
        #expect(sum(table) == 0)
        #expect(table.field(UInt32.self, at: 36) == 0xfee0_0000)

        let entries = try entries(table)
        let processors = try #require(entries[0])
        #expect(processors.map { Int($0[1]) } == Array(0..<count))
        #expect(processors.map { $0[3] } == [3] + [UInt8](repeating: 1, count: count - 1))
        #expect(entries[1]?.map { Array($0[2...]) } == [Array("ISA   ".utf8)])
        let ioAPIC = try #require(entries[2]?.first)
        #expect(ioAPIC[1] == UInt8(count) && ioAPIC[3] == 1)
        #expect(ioAPIC.field(UInt32.self, at: 4) == 0xfec0_0000)
        // Every line but the cascade, at the pin of its number, edge-triggered by its bus.
        let lines = try #require(entries[3])
        #expect(lines.map { $0[5] } == (0..<24).filter { $0 != 2 })
        for line in lines { #expect(line[7] == line[5] && line[6] == ioAPIC[1] && line[1] == 0 && line[2] == 0) }
        #expect(entries[4]?.map { [$0[1], $0[6], $0[7]] } == [[3, 0, 0], [1, 0xff, 1]])
    }

    @Test func moreProcessorsThanIdentifiersAreRefused() {
        #expect(throws: BootError(nil, .tooManyProcessors(255, limit: 254))) { try MPTable(processorCount: 255) }
    }

    /// The places and their order are those of Linux's default_find_smp_config and of the specification, 4.
    private func findFloatingPointer(_ memory: GuestMemory, _ places: [Range<UInt64>]) throws -> UInt64? {
        for address in places.flatMap({ stride(from: $0.lowerBound, to: $0.upperBound, by: 16) }) {
            let pointer = try memory.read(16, at: GuestAddress(address))
            if pointer.has(Array("_MP_".utf8)), pointer[8] == 1, pointer[9] == 4, sum(pointer) == 0 { return address }
        }
        return nil
    }

    @Test(
        arguments: [
            [0..<0x400, 0x9_fc00..<0xa_0000, 0xf_0000..<0x10_0000], [0xf_0000..<0x10_0000],
        ] as [[Range<UInt64>]])
    func itIsWrittenWhereGuestsLook(_ places: [Range<UInt64>]) throws {
        let memory = try GuestMemory(size: 16 << 20)
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        _ = try loader.load(into: memory)
        #expect(try findFloatingPointer(memory, places) == nil)
        loader.processorCount = 3
        _ = try loader.load(into: memory)
        let pointer = try #require(try findFloatingPointer(memory, places))
        #expect(!MemoryMap(of: memory).entries.contains { $0.range.contains(pointer) })
        let table = UInt64(try memory.value(UInt32.self, pointer, 4))
        let expected = try MPTable(processorCount: 3).configuration
        #expect(try memory.read(expected.count, at: GuestAddress(table)) == expected)
        loader.processorCount = nil
        _ = try loader.load(into: memory)
        #expect(try findFloatingPointer(memory, places) == nil)
    }
}
