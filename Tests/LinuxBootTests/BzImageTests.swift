import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct BzImageTests {
    static let supported: [Compression] = [.gzip, .xz, .lzma, .lz4, .zstd, .none]

    static func kernel() -> [UInt8] {
        var elf = ELFBuilder(entry: 0x20_0000)
        elf.addPVHNote(0x20_0040)
        elf.add((0..<20_000).map { UInt8($0 / 100 & 0xff) }, at: 0x20_0000, virtual: 0xffff_ffff_8020_0000)
        // Relocations, which the loader has no use for.
        return elf.bytes + pattern(64)
    }

    @Test(arguments: supported)
    func payloadIsUnpackedAndStarted(_ compression: Compression) throws {
        let memory = try GuestMemory(size: 16 << 20)
        let guest = try BootLoader(kernel: BzImageBuilder(Self.kernel(), by: compression).image()).load(into: memory)
        #expect(guest.info.format == .bzImage(compression: compression.rawValue))
        #expect(guest.info.bootProtocol == .linux64)
        #expect(guest.info.kernelVersion == "6.1.0-test (someone@somewhere) #1")
        #expect(guest.state.rip == 0x20_0000)
        #expect(try memory.read(20_000, at: 0x20_0000) == (0..<20_000).map { UInt8($0 / 100 & 0xff) })
        // The kernel's header is repeated, the loader's fields are filled in.
        let page = guest.state.rsi
        #expect(try memory.value(UInt32.self, page, 0x248) == 0x80)
        #expect(try memory.value(UInt8.self, page, 0x210) == 0xff)
        #expect(try memory.value(UInt8.self, page, 0x211) & 1 == 1)
        #expect(try memory.value(UInt32.self, page, 0x228) == UInt32(BootLayout.commandLine.start))
    }

    @Test func severalLZ4BlocksAndFrames() throws {
        let large = (0..<9).flatMap { [UInt8](repeating: $0, count: 1 << 20) }
        let packed = Array(pack(large, by: .lz4).dropLast(4))
        #expect(try Compression.lz4.unpack(packed, size: large.count) == large)
        #expect(try Compression.lz4.unpack(packed + packed, size: 2 * large.count) == large + large)
    }

    @Test func pvhIsThereForTheAsking() throws {
        let memory = try GuestMemory(size: 16 << 20)
        var loader = BootLoader(kernel: BzImageBuilder(Self.kernel(), by: .lz4).image())
        loader.bootProtocol = .pvh
        let state = try loader.load(into: memory).state
        #expect(state.rip == 0x20_0040 && state.mode == .protected32)
    }

    @Test func headerSetsTheLimits() throws {
        var builder = BzImageBuilder(Self.kernel(), by: .gzip)
        builder.commandLineSize = 20
        var loader = BootLoader(kernel: builder.image())
        #expect(try problem(loader) == .commandLineTooLong(length: CommandLine.linux.text.utf8.count, limit: 20))
        builder.commandLineSize = .max
        builder.ramdiskMaximum = 0x3f_ffff
        loader = BootLoader(kernel: builder.image())
        loader.commandLine = loader.commandLine.replaced(by: String(repeating: "x", count: 65_535))
        loader.ramdisks = [ByteArrayBootImage([1], name: "i")]
        let memory = try GuestMemory(size: 16 << 20)
        #expect(try loader.load(into: memory).info.ramdiskRanges.first?.start == 0x3f_f000)
        loader.commandLine = loader.commandLine.extended(by: "")
        loader.commandLine = loader.commandLine.replaced(by: String(repeating: "x", count: 65_536))
        #expect(try problem(loader) == .commandLineTooLong(length: 65_536, limit: 65_535))
    }

    @Test func noSectorsMeansFour() throws {
        var builder = BzImageBuilder(Self.kernel(), by: .gzip)
        builder.setupSectors = 4
        var bytes = builder.bytes
        bytes[0x1f1] = 0
        #expect(try problem(ByteArrayBootImage(bytes, name: "bzImage")) == nil)
    }

    @Test(arguments: [.bzip2, .lzo] as [Compression])
    func otherCompressionsAreNamed(_ compression: Compression) throws {
        #expect(
            try problem(BzImageBuilder(Self.kernel(), by: compression).image())
                == .unsupportedCompression(compression.rawValue))
    }

    @Test(arguments: supported)
    func aCutFileIsTruncated(_ compression: Compression) throws {
        let builder = BzImageBuilder(Self.kernel(), by: compression)
        let whole = builder.bytes
        let cut = ByteArrayBootImage(Array(whole.dropLast(102)), name: "bzImage")
        #expect(try problem(cut) == .truncated(part: "the compressed kernel", missing: 100))
    }

    @Test(arguments: supported.filter { $0 != .none })
    func damageIsNoticed(_ compression: Compression) throws {
        var builder = BzImageBuilder(Self.kernel(), by: compression)
        let whole = builder.payload
        // In the middle, for a format without a checksum (lz4, lzma, zstd here) by what it does to the size.
        builder.payload = Array(whole[..<(whole.count / 2)]) + Array(whole.suffix(8))
        guard case .corruptPayload(compression.rawValue, _) = try problem(builder.image()) else {
            Issue.record("the damaged payload was accepted")
            return
        }
    }

    /// The stated size bounds what is unpacked: neither more nor less is accepted.
    @Test(arguments: supported)
    func theStatedSizeIsExact(_ compression: Compression) throws {
        let kernel = Self.kernel()
        for size in [0, 1, kernel.count - 1, kernel.count + 1] where compression != .none || size > kernel.count {
            var builder = BzImageBuilder(kernel, by: compression)
            builder.payload.set(UInt32(size), at: builder.payload.count - 4)
            guard case .corruptPayload(compression.rawValue, _) = try problem(builder.image()) else {
                Issue.record("size \(size) was accepted")
                return
            }
        }
    }

    @Test func bombsAreRefusedBeforeTheyGoOff() throws {
        var builder = BzImageBuilder(Self.kernel(), by: .zstd)
        builder.payload.set(UInt32.max, at: builder.payload.count - 4)
        #expect(try problem(builder.image()) == .payloadTooLarge(size: 0xffff_ffff, limit: 1 << 30))
        builder.payload.set(UInt32(512 << 20), at: builder.payload.count - 4)
        #expect(try problem(builder.image()) == .kernelTooLarge(end: 512 << 20, memory: 16 << 20))
        builder.initialSize = 700 << 20
        #expect(try problem(builder.image()) == .kernelTooLarge(end: 701 << 20, memory: 16 << 20))
        builder.payloadSize = .max
        #expect(try problem(builder.image()) == .payloadTooLarge(size: 0xffff_ffff, limit: 1 << 30))

        // 16 MiB of zeros in a few KiB, which say that they are 1 MiB.
        let zeros = [UInt8](repeating: 0, count: 16 << 20)
        for compression in Self.supported where compression != .none {
            var bomb = BzImageBuilder(zeros, by: compression)
            bomb.payload.set(UInt32(1 << 20), at: bomb.payload.count - 4)
            guard case .corruptPayload = try problem(bomb.image()) else {
                Issue.record("\(compression) went off")
                return
            }
        }
    }

    @Test func badHeadersAreNamed() throws {
        var builder = BzImageBuilder(Self.kernel(), by: .gzip)
        builder.version = 0x0207
        #expect(try problem(builder.image()) == .bootProtocolTooOld(0x0207))
        builder = BzImageBuilder(Self.kernel(), by: .gzip)
        builder.jumpLength = 0x40
        #expect(
            try problem(builder.image())
                == .invalidField(name: "the setup header's end", value: 0x242, expected: "592 to 656"))
        builder = BzImageBuilder(Self.kernel(), by: .gzip)
        builder.payloadSize = 3
        #expect(
            try problem(builder.image()) == .invalidField(name: "payload_length", value: 3, expected: "at least 4"))
        let short = ByteArrayBootImage(Array(builder.bytes.prefix(0x240)), name: "bzImage")
        #expect(try problem(short) == .truncated(part: "the setup header", missing: 0x2c))
        builder = BzImageBuilder(Self.kernel(), by: .gzip)
        builder.payload[0] = 0
        #expect(try problem(builder.image()) == .unsupportedCompression("an unknown format"))
        builder = BzImageBuilder(pattern(5000), by: .gzip)
        #expect(
            try problem(builder.image())
                == .corruptPayload(compression: "gzip", reason: "what it unpacks to is not an ELF file"))
    }
}
