import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct MultibootTests {
    @Test func rawImageIsPlacedByItsHeader() throws {
        let memory = try GuestMemory(size: 16 << 20)
        try memory.fill(0x20_0000, count: 0x8000, with: 0xcc)
        let image = multibootImage()
        let guest = try BootLoader(kernel: image).load(into: memory)
        #expect(guest.info.format == .multibootImage)
        #expect(try memory.read(image.contents.count, at: 0x20_0000) == image.contents)
        let rest = Int(0x4000 - image.size)
        #expect(try memory.read(rest, at: GuestAddress(0x20_0000 + image.size)) == [UInt8](repeating: 0, count: rest))
        #expect(try memory.value(UInt8.self, 0x20_4000) == 0xcc)
        #expect(guest.state.rip == 0x20_0060)
        #expect(guest.state.mode == .protected32)
        #expect(guest.state.rax == 0x2bad_b002)
    }

    @Test func loadEndCutsTheFile() throws {
        let memory = try GuestMemory(size: 16 << 20)
        let guest = try BootLoader(kernel: multibootImage(loadEnd: 0x20_0100, bssEnd: 0)).load(into: memory)
        #expect(guest.info.kernelRange == MemoryRange(0x20_0000, upTo: 0x20_0100))
    }

    /// The information structure, at the offsets of the specification's section 3.3.
    @Test func kernelIsToldOfMemoryAndModules() throws {
        let memory = try GuestMemory(size: 64 << 20)
        var loader = BootLoader(kernel: multibootImage())
        loader.commandLine = CommandLine.linux.extended(by: "a b")
        loader.ramdisks = [
            ByteArrayBootImage(pattern(5000), name: "first.mod"), ByteArrayBootImage(pattern(3, seed: 3), name: "two"),
        ]
        let guest = try loader.load(into: memory)
        let info = guest.state.rbx
        #expect(try memory.value(UInt32.self, info, 0) == 0b10_0100_1101)
        #expect(try memory.value(UInt32.self, info, 4) == 504)
        #expect(try memory.value(UInt32.self, info, 8) == 63 << 10)
        #expect(try memory.string(at: UInt64(memory.value(UInt32.self, info, 16))) == "hobby.bin a b")
        #expect(try memory.string(at: UInt64(memory.value(UInt32.self, info, 64))) == "Caisson")

        #expect(try memory.value(UInt32.self, info, 20) == 2)
        let modules = UInt64(try memory.value(UInt32.self, info, 24))
        for (index, image) in loader.ramdisks.enumerated() {
            let entry = modules + UInt64(index) * 16
            let start = UInt64(try memory.value(UInt32.self, entry))
            let end = UInt64(try memory.value(UInt32.self, entry, 4))
            #expect(start % 4096 == 0)
            let expected = try image.bytes(at: 0, count: Int(image.size), part: "all")
            #expect(try memory.read(expected.count, at: GuestAddress(start)) == expected)
            #expect(end == start + image.size)
            #expect(try memory.string(at: UInt64(memory.value(UInt32.self, entry, 8))) == image.name)
            #expect(!MemoryRange(start, upTo: end).overlaps(guest.info.kernelRange))
        }

        var entry = UInt64(try memory.value(UInt32.self, info, 48))
        let mapEnd = entry + UInt64(try memory.value(UInt32.self, info, 44))
        var ranges: [MemoryRange] = []
        while entry < mapEnd {
            let start = try memory.value(UInt64.self, entry, 4)
            if try memory.value(UInt32.self, entry, 20) == 1 {
                ranges.append(MemoryRange(start, upTo: start + (try memory.value(UInt64.self, entry, 12))))
            }
            entry += UInt64(try memory.value(UInt32.self, entry)) + 4
        }
        #expect(ranges == [MemoryRange(0x1000, upTo: 0x7_e000), MemoryRange(0x10_0000, upTo: 64 << 20)])
    }

    @Test func withoutWordsTheCommandLineIsTheName() throws {
        let memory = try GuestMemory(size: 16 << 20)
        let state = try BootLoader(kernel: multibootImage()).load(into: memory).state
        #expect(try memory.string(at: UInt64(memory.value(UInt32.self, state.rbx, 16))) == "hobby.bin")
        #expect(try memory.value(UInt32.self, state.rbx) & 1 << 3 == 0)
    }

    @Test(arguments: [true, false])
    func elfKernelsLinkedHighEnterAtTheirPhysicalAddress(_ is64Bit: Bool) throws {
        let high: UInt64 = is64Bit ? 0xffff_ffff_8020_0000 : 0xc020_0000
        var elf = ELFBuilder(is64Bit: is64Bit, machine: is64Bit ? 62 : 3, entry: high + 0x20)
        elf.afterHeaders = [0, 0, 0, 0] + multibootHeader(flags: 3)
        elf.add(pattern(100), at: 0x20_0000, virtual: high)
        let memory = try GuestMemory(size: 16 << 20)
        let guest = try BootLoader(kernel: elf.image()).load(into: memory)
        #expect(guest.info.bootProtocol == .multiboot)
        #expect(guest.state.rip == 0x20_0020)
    }

    @Test func headerIsFoundInTheFirst8KiBOnly() {
        let header = multibootHeader()
        #expect(MultibootHeader(in: [UInt8](repeating: 0, count: 8180) + header)?.offset == 8180)
        #expect(MultibootHeader(in: [UInt8](repeating: 0, count: 8184) + header) == nil)
        #expect(MultibootHeader(in: [0, 0] + header) == nil)
        #expect(MultibootHeader(in: Array(header.dropLast())) == nil)
        #expect(MultibootHeader(in: []) == nil)
    }

    @Test func whatItCannotDoIsRefused() throws {
        let unknown = "it requires unknown features (flags 0x18)"
        #expect(try problem(multibootImage(flags: 1 << 16 | 0x18)) == .cannotBootBy(.multiboot, reason: unknown))
        #expect(
            try problem(multibootImage(flags: 1))
                == .cannotBootBy(
                    .multiboot, reason: "it is not an ELF file and its header has no load addresses"))
        #expect(try problem(multibootImage(loadEnd: 0x30_0000)) == .truncated(part: "the kernel", missing: 0xffbb8))
        #expect(
            try problem(multibootImage(bssEnd: 0, entry: 0x20_0448)) == .entryOutsideKernel(0x20_0448))
        var loader = BootLoader(kernel: multibootImage())
        loader.bootProtocol = .linux64
        #expect(
            try problem(loader)
                == .cannotBootBy(.linux64, reason: "a multiboot image is started by multiboot"))
    }

    @Test func tooManyModulesAreRefused() throws {
        var loader = BootLoader(kernel: multibootImage())
        loader.ramdisks = (0..<400).map { ByteArrayBootImage([1], name: "module number \($0) with a long name......") }
        guard case .tableTooLarge("list of modules", _, 0x5000) = try problem(loader) else {
            Issue.record("the list was accepted")
            return
        }
    }
}
