import Glibc
import Testing

@testable import GuestMemory

/// Memory that goes back to the host.
@Suite struct ReturnTests {
    private static let page: UInt64 = 4096

    @Test(
        arguments: [
            // Address, bytes, and the pages that read as zeros afterwards.
            (0, 0, 0..<0), (0, 4095, 0..<0), (0, 4096, 0..<1), (1, 4096, 0..<0), (1, 8191, 1..<2), (4096, 12288, 1..<4),
            (4095, 4098, 1..<2), (15 * 4096, 4096, 15..<16), (15 * 4096, 1 << 40, 15..<16), (16 * 4096, 4096, 0..<0),
            (0, .max, 0..<16), (.max, .max, 0..<0), (.max - 4095, 4096, 0..<0),
        ] as [(UInt64, UInt64, Range<UInt64>)])
    func wholePagesInsideOfRAMGoBack(address: UInt64, count: UInt64, pages: Range<UInt64>) throws {
        let memory = try GuestMemory(size: 16 * Self.page)
        try memory.fill(0, count: memory.size, with: 0xaa)
        #expect(memory.giveBack(GuestAddress(address), count: count) == UInt64(pages.count) * Self.page)
        for page in 0..<16 as Range<UInt64> {
            let bytes = try memory.read(4096, at: GuestAddress(page * Self.page))
            #expect(bytes.allSatisfy { $0 == (pages.contains(page) ? 0 : 0xaa) }, "\(page)")
        }
    }

    @Test func theHoleIsLeftOut() throws {
        let memory = try GuestMemory(size: GuestMemory.holeStart.rawValue + 64 * Self.page)
        let places: [GuestAddress] = [0xbfff_f000, 0xbfff_e000, 0x1_0000_0000, 0x1_0000_1000]
        for place in places { try memory.store(7 as UInt8, at: place) }
        // From the last page below the hole to the first one above it.
        #expect(memory.giveBack(0xbfff_f000, count: 0x4000_2000) == 2 * Self.page)
        #expect(try places.map { try memory.load(UInt8.self, at: $0) } == [0, 7, 0, 7])
    }

    @Test func aHostAddressIsCheckedToo() throws {
        let memory = try GuestMemory(size: 16 * Self.page)
        try memory.fill(0, count: memory.size, with: 0xaa)
        let start = try unsafe memory.hostPointer(0x2000, 0)
        #expect(unsafe memory.giveBack(host: start - 0x2001, count: 8192) == 0)
        #expect(unsafe memory.giveBack(host: start, count: 15 * Self.page) == 0)
        #expect(unsafe memory.giveBack(host: start + 0x1_0000, count: .max) == 0)
        #expect(try memory.read(Int(memory.size), at: 0).allSatisfy { $0 == 0xaa })
        #expect(unsafe memory.giveBack(host: start, count: 2 * Self.page) == 2 * Self.page)
        #expect(try memory.load(UInt8.self, at: 0x2000) == 0 && memory.load(UInt8.self, at: 0x4000) == 0xaa)
    }

    @Test func theHostHasItAgain() async {
        await #expect(processExitsWith: .success) {
            let memory = try GuestMemory(size: 64 << 20)
            try memory.fill(0, count: memory.size, with: 1)
            let before = try residentPages()
            memory.giveBack(0, count: 48 << 20)
            #expect(try before - residentPages() >= 12_000)
        }
    }
}

private func residentPages() throws -> Int {
    let file = try #require(fopen("/proc/self/statm", "r"))
    defer { fclose(file) }
    var line = [UInt8](repeating: 0, count: 200)
    let count = fread(&line, 1, line.count, file)
    return try #require(Int(String(decoding: line[..<count], as: UTF8.self).split(separator: " ")[1]))
}
