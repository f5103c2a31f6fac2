import Glibc
import GuestMemory
import Testing

@Suite struct FileReadTests {
    /// A file without a name that is gone when it is closed.
    private final class AnonymousFile {
        private let file: UnsafeMutablePointer<FILE>
        var descriptor: Int32 { fileno(file) }

        init(_ contents: [UInt8]) throws {
            file = try #require(tmpfile())
            try #require(write(fileno(file), contents, contents.count) == contents.count)
        }

        deinit { fclose(file) }
    }

    private static let contents = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

    @Test(arguments: [(0, 10_000, 0), (1, 9_999, 4095), (9_999, 1, 8191), (5_000, 0, 16384), (10_000, 0, 0)])
    func bytesArriveWhereTheyShould(_ offset: Int, _ count: Int, _ address: Int) throws {
        let memory = try GuestMemory(size: 16384)
        try memory.fill(0, count: 16384, with: 0xcc)
        let file = try AnonymousFile(Self.contents)
        try memory.read(
            descriptor: file.descriptor, offset: UInt64(offset), count: UInt64(count), to: GuestAddress(UInt64(address))
        )
        var expected = [UInt8](repeating: 0xcc, count: 16384)
        expected.replaceSubrange(address..<address + count, with: Self.contents[offset..<offset + count])
        #expect(try memory.read(16384, at: 0) == expected)
    }

    @Test(
        arguments: [
            (0, 10_001, 1), (9_000, 2_000, 1_000), (10_000, 5, 5), (1 << 40, 7, 7), (1 << 63, 9, 9), (.max, 1, 1),
            (UInt64(Int64.max), 1, 1),
        ] as [(UInt64, UInt64, UInt64)])
    func aShortFileIsSaidToBeShort(_ offset: UInt64, _ count: UInt64, _ missing: UInt64) throws {
        let memory = try GuestMemory(size: 16384)
        let file = try AnonymousFile(Self.contents)
        #expect(throws: GuestMemoryError.endOfFile(missing: missing)) {
            try memory.read(descriptor: file.descriptor, offset: offset, count: count, to: 0)
        }
    }

    @Test func nothingIsReadThatDoesNotFit() throws {
        let memory = try GuestMemory(size: 8192)
        let file = try AnonymousFile(Self.contents)
        #expect(throws: GuestMemoryError.notInRAM(address: 4096, count: 4097)) {
            try memory.read(descriptor: file.descriptor, offset: 0, count: 4097, to: 4096)
        }
        #expect(try memory.read(8192, at: 0) == [UInt8](repeating: 0, count: 8192))
    }

    @Test func aFailureOfTheHostIsSaid() throws {
        let memory = try GuestMemory(size: 4096)
        #expect(throws: GuestMemoryError.cannotRead(errno: EBADF)) {
            try memory.read(descriptor: -1, offset: 0, count: 1, to: 0)
        }
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(throws: GuestMemoryError.cannotRead(errno: ESPIPE)) {
            try memory.read(descriptor: ends[0], offset: 0, count: 1, to: 0)
        }
    }
}
