import GuestMemory
import TestSupport
import Testing

@testable import LinuxBoot

@Suite struct RamdiskTests {
    private static let mebibyte: UInt64 = 1 << 20

    @Test func imagesFollowEachOtherAtMultiplesOfFour() throws {
        let memory = try GuestMemory(size: 16 << 20)
        try memory.fill(0, count: memory.size, with: 0xcc)
        let images = [4097, 2, 8, 1].enumerated().map {
            ByteArrayBootImage(pattern($1, seed: UInt8($0)), name: "\($0)")
        }
        let ramdisk = try #require(try Ramdisk(images, occupied: [], limit: .max, memory: memory))
        try ramdisk.copy(to: memory)
        var expected: [UInt8] = []
        for image in images {
            expected.pad(to: 4)
            expected += image.contents
        }
        #expect(try memory.read(expected.count, at: GuestAddress(ramdisk.range.start)) == expected)
        #expect(ramdisk.range.start == (16 << 20) - 8192)
        #expect(ramdisk.range.count == UInt64(expected.count))
    }

    @Test func aSingleImageKeepsItsSize() throws {
        let memory = try GuestMemory(size: 2 << 20)
        let image = ByteArrayBootImage(pattern(4097), name: "a")
        let ramdisk = try #require(try Ramdisk([image], occupied: [], limit: .max, memory: memory))
        #expect(ramdisk.range.count == 4097)
    }

    @Test func itStaysBelowItsLimitAndTheHole() throws {
        let memory = try GuestMemory(size: 5 << 30)
        let image = ByteArrayBootImage([1], name: "a")
        func start(_ limit: UInt64) throws -> UInt64? {
            try Ramdisk([image], occupied: [], limit: limit, memory: memory)?.range.start
        }
        #expect(try start(.max) == 0xc000_0000 - 4096)
        #expect(try start(0x8000_0000) == 0x8000_0000 - 4096)
        #expect(try start(0x3800_0001) == 0x3800_0000)
        #expect(try start(0x3800_0000) == 0x3800_0000 - 4096)
    }

    @Test func advice() throws {
        var elf = ELFBuilder()
        elf.add(pattern(10), at: Self.mebibyte, memorySize: 2 * Self.mebibyte)
        var loader = BootLoader(kernel: elf.image())
        loader.ramdisks = [LargeImage(size: 5 * Self.mebibyte + 1)]
        #expect(
            try problem(loader, memory: 8 << 20)
                == .ramdiskTooLarge(size: 5 * Self.mebibyte + 1, free: 5 * Self.mebibyte, memory: 9 * Self.mebibyte))
        loader.ramdisks = [LargeImage(size: 5 * Self.mebibyte)]
        #expect(try problem(loader, memory: 8 << 20) == .cannotRead(errno: 5))
        loader.ramdisks = [LargeImage(size: 3 << 30)]
        #expect(
            try problem(loader, memory: 8 << 20)
                == .ramdiskTooLarge(size: 3 << 30, free: 5 * Self.mebibyte, memory: nil))
        for sizes in [[.max, 1], [.max - 4, 5], [1 << 63, 1 << 63], [1, .max - 3]] as [[UInt64]] {
            loader.ramdisks = sizes.map { LargeImage(size: $0) }
            #expect(try problem(loader, memory: 8 << 20) == .ramdiskTooLarge(size: .max, free: 0, memory: nil))
        }
        loader.ramdisks = [ByteArrayBootImage([], name: "empty.cpio")]
        #expect(try problem(loader) == .empty)
    }

    private static func archive(_ size: Int) -> [UInt8] { Cpio.archive(["kernel/x86/microcode": pattern(size)]) }

    @Test(arguments: [Compression.gzip, .xz, .lzma, .lz4, .zstd])
    func packedRamdisksAreUnpacked(_ compression: Compression) throws {
        let contents = Self.archive(300_000)
        // The packer puts the size behind all but gzip's, which has it itself.
        let packed = Array(pack(contents, by: compression).dropLast(compression == .gzip ? 0 : 4))
        for head in [[], Self.archive(5), Self.archive(4096) + [UInt8](repeating: 0, count: 700)] {
            let image = ByteArrayBootImage(head + packed, name: "i")
            let images = try #require(try image.unpackedRamdisk(limit: 1 << 20))
            #expect(try images.flatMap { try $0.bytes(at: 0, count: Int($0.size), part: "") } == head + contents)
            // Where it fits to the byte, and where it does not.
            let whole = UInt64(head.count + contents.count)
            #expect(try image.unpackedRamdisk(limit: whole) != nil)
            #expect(try image.unpackedRamdisk(limit: whole - 1) == nil)
        }
    }

    @Test func whatIsNoPackedRamdiskStays() throws {
        let archive = Self.archive(100)
        let packed = Array(pack(archive, by: .zstd).dropLast(4))
        var endless = archive
        // The file's size.
        endless.replaceSubrange(54..<62, with: Array("ffffffff".utf8))
        let cases: [[UInt8]] = [
            [0], [UInt8](repeating: 0, count: 1000), archive, archive + [0, 0, 0], Array(archive.dropLast(150)),
            Array("070701".utf8), Array("07070100000000".utf8), pattern(1000), Array("BZh9".utf8) + pattern(100),
            Array(packed.dropLast()), archive + packed.prefix(9), packed + archive, endless, endless + packed,
            ELFHeader.magic + pattern(1000),
        ]
        for contents in cases {
            #expect(try ByteArrayBootImage(contents, name: "i").unpackedRamdisk(limit: 1 << 20) == nil)
        }
    }

    @Test func theLoaderUnpacksOnRequest() throws {
        var elf = ELFBuilder()
        elf.add(pattern(10), at: Self.mebibyte)
        var loader = BootLoader(kernel: elf.image())
        let contents = Self.archive(100_000)
        let packed = Array(pack(contents, by: .zstd).dropLast(4))
        loader.ramdisks = [ByteArrayBootImage([7], name: "a"), ByteArrayBootImage(packed, name: "b")]
        for unpacks in [false, true] {
            loader.unpacksRamdisks = unpacks
            let memory = try GuestMemory(size: 8 << 20)
            let range = try #require(try loader.load(into: memory).info.ramdiskRanges.first)
            let expected = [7, 0, 0, 0] + (unpacks ? contents : packed)
            #expect(try memory.read(Int(range.count), at: GuestAddress(range.start)) == expected)
        }
    }

    /// The decoders' room is bounded, however large the machine is.
    @Test func largeMachinesUnpackToo() throws {
        var elf = ELFBuilder()
        elf.add(pattern(10), at: Self.mebibyte)
        let contents = Self.archive(100_000)
        for compression in [Compression.gzip, .zstd, .xz] {
            var loader = BootLoader(kernel: elf.image())
            loader.unpacksRamdisks = true
            loader.memoryIsZeroed = true
            let packed = Array(pack(contents, by: compression).dropLast(compression == .gzip ? 0 : 4))
            loader.ramdisks = [ByteArrayBootImage(packed, name: "i")]
            let memory = try GuestMemory(size: 64 << 30)
            let range = try #require(try loader.load(into: memory).info.ramdiskRanges.first)
            #expect(range.count == UInt64(contents.count))
        }
    }

    /// Against a search through every page.
    @Test func highestGapIsFound() throws {
        let memory = try GuestMemory(size: 2 << 20)
        var random = SeededGenerator(seed: 3)
        for _ in 0..<500 {
            var occupied: [MemoryRange] = []
            var position = Self.mebibyte
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let start = position + UInt64.random(in: 0...0x2_0000, using: &random)
                position = start + UInt64.random(in: 1...0x1_0000, using: &random)
                occupied.append(MemoryRange(start, upTo: position))
            }
            let size = UInt64.random(in: 1...0x4_0000, using: &random)
            let limit = UInt64.random(in: 0x14_0000...0x20_0000, using: &random)
            let expected = stride(from: Int(Self.mebibyte), to: Int(limit), by: 4096).reversed().first { start in
                let range = MemoryRange(UInt64(start), upTo: UInt64(start) + size)
                return range.end <= limit && !occupied.contains { $0.overlaps(range) }
            }
            let found = try? Ramdisk(
                [LargeImage(size: size)], occupied: occupied, limit: limit, memory: memory)?.range
            #expect(found?.start == expected.map(UInt64.init))
        }
    }
}

/// Has a size and nothing to read.
struct LargeImage: BootImage {
    let size: UInt64
    var name: String { "large" }

    func bytes(at offset: UInt64, count: Int, part: String) throws(BootError) -> [UInt8] {
        throw BootError(name, .cannotRead(errno: 5))
    }

    func copy(
        from offset: UInt64, count: UInt64, to address: GuestAddress, in memory: GuestMemory, part: String
    ) throws(BootError) {
        throw BootError(name, .cannotRead(errno: 5))
    }
}
