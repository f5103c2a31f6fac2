import Glibc
import GuestMemory
import TestSupport
import Testing

@testable import LinuxBoot

/// Valid kernels, damaged thousands of times: each is refused with an error or loaded inside RAM. A trap ends the tests.
@Suite struct ParserFuzzTests {
    static let seeds: [(String, [UInt8])] = {
        var linux = ELFKernelTests.kernel()
        linux.addPVHNote(0x20_0000)
        var multibootELF = ELFBuilder(is64Bit: false, machine: 3, entry: 0x20_0000)
        multibootELF.afterHeaders = multibootHeader(flags: 3)
        multibootELF.add(pattern(300), at: 0x20_0000, memorySize: 5000)
        var seeds = [
            ("linux", linux.bytes), ("pvh64", PVHTests.kernel(is64Bit: true).bytes),
            ("pvh32", PVHTests.kernel(is64Bit: false).bytes), ("multiboot ELF", multibootELF.bytes),
            ("multiboot image", multibootImage().contents),
        ]
        var small = ELFBuilder(entry: 0x20_0000)
        small.addPVHNote(0x20_0040)
        small.add((0..<3000).map { UInt8($0 / 100) }, at: 0x20_0000)
        for compression in BzImageTests.supported {
            seeds.append(("bzImage \(compression)", BzImageBuilder(small.bytes, by: compression).bytes))
        }
        return seeds
    }()

    private static let rounds = 800
    private static let telling: [UInt64] = [
        0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0x2_ffff, 0x7_e000, 0xf_ffff, 0x10_0000, 0x7f_ffff,
        0x80_0000, 0xbfff_ffff, 0xc000_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, .max >> 1, .max,
        .max - 4095,
    ]

    private func damage(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            // Most of what a parser reads is in front.
            let reach = Bool.random(using: &random) ? bytes.count : min(bytes.count, 700)
            guard reach > 8 else { return }
            let offset = Int.random(in: 0..<reach - 8, using: &random)
            let value = (Self.telling.randomElement(using: &random) ?? 0) &+ UInt64.random(in: 0...1, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[offset] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes.set(UInt16(truncatingIfNeeded: value), at: offset)
            case 3: bytes.set(UInt32(truncatingIfNeeded: value), at: offset & ~3)
            case 4: bytes.set(value, at: offset & ~7)
            case 5: bytes.set(UInt32.random(in: .min ... .max, using: &random), at: offset & ~3)
            case 6: bytes.removeLast(Int.random(in: 0...bytes.count / 2, using: &random))
            default:
                let from = Int.random(in: 0..<bytes.count - 8, using: &random)
                bytes.replaceSubrange(offset..<offset + 8, with: bytes[from..<from + 8])
            }
        }
    }

    @Test(arguments: seeds.indices)
    func damagedKernels(_ index: Int) throws {
        let (name, seed) = Self.seeds[index]
        var random = SeededGenerator(seed: UInt64(index) &+ 0xca15)
        let memory = try GuestMemory(size: 8 << 20)
        var refused = 0
        for round in 0..<Self.rounds {
            var bytes = seed
            damage(&bytes, &random)
            var loader = BootLoader(kernel: ByteArrayBootImage(bytes, name: name))
            loader.memoryIsZeroed = true
            loader.bootProtocol = round % 4 == 0 ? BootProtocol.allCases.randomElement(using: &random) : nil
            loader.ramdisks = [ByteArrayBootImage(pattern(100), name: "ramdisk")]
            do {
                let guest = try loader.load(into: memory)
                let kernel = guest.info.kernelRange
                #expect(memory.contains(GuestAddress(kernel.start), count: kernel.count))
                #expect(kernel.contains(guest.state.rip))
                for ramdisk in guest.info.ramdiskRanges {
                    #expect(memory.contains(GuestAddress(ramdisk.start), count: ramdisk.count))
                    #expect(ramdisk.start % 4096 == 0)
                }
            } catch {
                refused += 1
                #expect(!error.description.isEmpty && !error.description.contains("\n"))
            }
        }
        // Damage that no check notices must be rare enough, and the seed itself has to be good.
        #expect(refused > Self.rounds / 20 && refused < Self.rounds, "\(refused) refused")
        var loader = BootLoader(kernel: ByteArrayBootImage(seed, name: name))
        loader.memoryIsZeroed = true
        #expect(throws: Never.self) { try loader.load(into: memory) }
    }

    private static let seedDirectory = getenv("CAISSON_FUZZ_SEEDS").map { String(cString: $0) }

    @Test(arguments: 0..<20) func damagedRamdisks(_ index: Int) throws {
        var random = SeededGenerator(seed: UInt64(index))
        let archive = Cpio.archive(["a": pattern(300), "b": pattern(5000)])
        for _ in 0..<50 {
            let compression = [Compression.gzip, .xz, .lz4, .zstd].randomElement(using: &random)!
            var bytes = archive + pack(archive, by: compression)
            damage(&bytes, &random)
            let unpacked = try ByteArrayBootImage(bytes, name: "i").unpackedRamdisk(limit: 20_000)
            #expect(unpacked?.reduce(0) { $0 + $1.size } ?? 0 <= 20_000)
        }
    }

    /// Not a test of its own: what scripts/fuzz boot begins with.
    @Test(.enabled(if: seedDirectory != nil, "only scripts/fuzz boot wants the seeds"), arguments: seeds)
    func seedsForTheFuzzer(_ name: String, _ bytes: [UInt8]) throws {
        let file = try #require(fopen("\(Self.seedDirectory ?? ".")/seed of \(name)", "w"))
        defer { fclose(file) }
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    /// What begins like one format and goes on with noise.
    @Test func noiseBehindASignature() throws {
        var random = SeededGenerator(seed: 77)
        let memory = try GuestMemory(size: 8 << 20)
        for round in 0..<3000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...200, using: &random) { bytes.append(field: random.next()) }
            let head = Array(Self.seeds[round % Self.seeds.count].1.prefix(Int.random(in: 0...700, using: &random)))
            bytes = head + bytes
            var loader = BootLoader(kernel: ByteArrayBootImage(bytes, name: "noise"))
            loader.memoryIsZeroed = true
            _ = try? loader.load(into: memory)
        }
    }

    /// Every decoder, on data that its own checks have to catch.
    @Test(arguments: BzImageTests.supported)
    func damagedPayloads(_ compression: Compression) {
        var random = SeededGenerator(seed: 5)
        let contents = (0..<5000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        let packed = pack(contents, by: compression)
        for _ in 0..<1500 {
            var bytes = packed
            damage(&bytes, &random)
            let size = Int.random(in: 0...10_000, using: &random)
            if let unpacked = try? compression.unpack(bytes, size: size) { #expect(unpacked.count == size) }
        }
    }
}
