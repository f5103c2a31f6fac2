import Glibc
import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct ImageTests {
    private let contents = pattern(70_000)

    /// Runs `body` with a descriptor of a temporary file.
    private func withFile(_ bytes: [UInt8], _ body: (Int32) throws -> Void) throws {
        let file = try #require(tmpfile())
        defer { fclose(file) }
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        fflush(file)
        try body(fileno(file))
    }

    @Test func filesAndArraysAreReadAlike() throws {
        try withFile(contents) { descriptor in
            let images: [any BootImage] = [
                FileBootImage(descriptor: descriptor, size: 70_000, name: "file"),
                ByteArrayBootImage(contents, name: "array"),
            ]
            for image in images {
                #expect(try image.bytes(at: 0, count: 70_000, part: "all") == contents)
                #expect(try image.bytes(at: 69_990, count: 10, part: "end") == Array(contents.suffix(10)))
                for offset in [70_000, 80_000, .max] as [UInt64] {
                    #expect(try image.bytes(at: offset, count: 0, part: "nothing") == [])
                }
                let memory = try GuestMemory(size: 1 << 20)
                try image.copy(from: 5, count: 69_000, to: 0x1001, in: memory, part: "most")
                #expect(try memory.read(69_000, at: 0x1001) == Array(contents[5..<69_005]))
            }
        }
    }

    @Test(arguments: [(69_999, 2, 1), (70_000, 1, 1), (80_000, 5, 5), (.max, 7, 7)] as [(UInt64, Int, UInt64)])
    func whatIsMissingIsCounted(_ offset: UInt64, _ count: Int, _ missing: UInt64) throws {
        try withFile(contents) { descriptor in
            let memory = try GuestMemory(size: 1 << 20)
            let images: [any BootImage] = [
                FileBootImage(descriptor: descriptor, size: 70_000, name: "x"), ByteArrayBootImage(contents, name: "x"),
            ]
            for image in images {
                let error = BootError("x", .truncated(part: "it", missing: missing))
                #expect(throws: error) { try image.bytes(at: offset, count: count, part: "it") }
                #expect(throws: error) {
                    try image.copy(from: offset, count: UInt64(count), to: 0, in: memory, part: "it")
                }
            }
        }
    }

    @Test func aFileThatShrinksIsTruncated() throws {
        try withFile(contents) { descriptor in
            let memory = try GuestMemory(size: 1 << 20)
            let image = FileBootImage(descriptor: descriptor, size: 80_000, name: "x")
            let error = BootError("x", .truncated(part: "it", missing: 10_000))
            #expect(throws: error) { try image.bytes(at: 0, count: 80_000, part: "it") }
            #expect(throws: error) { try image.copy(from: 0, count: 80_000, to: 0, in: memory, part: "it") }
        }
    }

    @Test func aDescriptorThatCannotBeReadSaysWhy() throws {
        let image = FileBootImage(descriptor: -1, size: 100, name: "x")
        let memory = try GuestMemory(size: 1 << 20)
        #expect(throws: BootError("x", .cannotRead(errno: EBADF))) { try image.bytes(at: 0, count: 1, part: "it") }
        #expect(throws: BootError("x", .cannotRead(errno: EBADF))) {
            try image.copy(from: 0, count: 1, to: 0, in: memory, part: "it")
        }
    }
}
