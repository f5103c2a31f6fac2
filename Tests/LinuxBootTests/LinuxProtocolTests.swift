import GuestMemory
import Testing

@testable import LinuxBoot

/// Offsets are those of boot_params in Linux's uapi asm/bootparam.h.
@Suite struct LinuxProtocolTests {
    private static let page = BootLayout.zeroPage.start

    @Test func zeroPageDescribesMemory() throws {
        let memory = try GuestMemory(size: 5 << 30)
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        loader.memoryIsZeroed = true
        _ = try loader.load(into: memory)
        let map = MemoryMap(of: memory)
        #expect(try memory.value(UInt8.self, Self.page, 0x1e8) == 3)
        for (index, entry) in map.entries.enumerated() {
            let offset = 0x2d0 + UInt64(index) * 20
            #expect(try memory.value(UInt64.self, Self.page, offset) == entry.range.start)
            #expect(try memory.value(UInt64.self, Self.page, offset + 8) == entry.range.count)
            #expect(try memory.value(UInt32.self, Self.page, offset + 16) == entry.kind.rawValue)
        }
        #expect(map.entries.last?.range == MemoryRange(1 << 32, upTo: 6 << 30))
    }

    @Test func zeroPageOfAnELFKernel() throws {
        let memory = try GuestMemory(size: 16 << 20)
        try memory.fill(0, count: memory.size, with: 0xff)
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        loader.acpiHardware = .example
        _ = try loader.load(into: memory)
        #expect(try memory.value(UInt16.self, Self.page, 0x1fe) == 0xaa55)
        #expect(try memory.value(UInt16.self, Self.page, 0x206) >= 0x020c)
        #expect(try memory.value(UInt8.self, Self.page, 0x210) == 0xff)
        #expect(try memory.value(UInt8.self, Self.page, 0x211) == 1)
        #expect(try memory.value(UInt64.self, Self.page, 0x70) == 0xe_0000)
        #expect(try memory.read(8, at: 0xe_0000) == Array("RSD PTR ".utf8))
        // No ramdisk, no setup data, and the sentinel that tells a cleared page.
        #expect(try memory.value(UInt64.self, Self.page, 0x218) == 0)
        #expect(try memory.value(UInt64.self, Self.page, 0x250) == 0)
        #expect(try memory.value(UInt8.self, Self.page, 0x1ef) == 0)
    }

    @Test func nothingOfAnEarlierGuestIsLeftWhereTheNextOneLooks() throws {
        let (again, fresh) = (try GuestMemory(size: 16 << 20), try GuestMemory(size: 16 << 20))
        var first = BootLoader(kernel: ELFKernelTests.kernel().image())
        first.memoryIsZeroed = true
        first.acpiHardware = .example
        first.randomSeed = pattern(32)
        first.processorCount = 3
        first.commandLine = CommandLine.linux.extended(by: String(repeating: "word ", count: 100))
        _ = try first.load(into: again)

        var second = BootLoader(kernel: ELFKernelTests.kernel().image())
        _ = try second.load(into: again)
        second.memoryIsZeroed = true
        _ = try second.load(into: fresh)
        for range in [BootLayout.structures, BootLayout.legacyHole] {
            let count = Int(range.count)
            #expect(
                try again.read(count, at: GuestAddress(range.start)) == fresh.read(count, at: GuestAddress(range.start))
            )
        }
    }

    @Test func commandLineEndsInNUL() throws {
        let memory = try GuestMemory(size: 16 << 20)
        try memory.fill(0, count: memory.size, with: 0xff)
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        loader.commandLine = CommandLine.linux.extended(by: "root=/dev/vda  x=\"ü y\"")
        let info = try loader.load(into: memory).info
        let address = UInt64(try memory.value(UInt32.self, Self.page, 0x228))
        #expect(try memory.string(at: address) == loader.commandLine.text)
        #expect(info.commandLine == loader.commandLine.text)
    }

    @Test func ramdiskIsNamed() throws {
        let memory = try GuestMemory(size: 16 << 20)
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        loader.ramdisks = [ByteArrayBootImage(pattern(5000), name: "initramfs")]
        let info = try loader.load(into: memory).info
        let start = UInt64(try memory.value(UInt32.self, Self.page, 0x218))
        #expect(start == (16 << 20) - 8192)
        #expect(try memory.value(UInt32.self, Self.page, 0x21c) == 5000)
        #expect(try memory.read(5000, at: GuestAddress(start)) == pattern(5000))
        #expect(info.ramdiskRanges == [MemoryRange(start, upTo: start + 5000)])
    }

    @Test func setupDataIsAList() throws {
        let memory = try GuestMemory(size: 16 << 20)
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        loader.deviceTree = pattern(1001)
        loader.randomSeed = pattern(32, seed: 9)
        _ = try loader.load(into: memory)
        var nodes: [(UInt32, [UInt8])] = []
        var node = try memory.value(UInt64.self, Self.page, 0x250)
        while node != 0 {
            #expect(BootLayout.setupData.contains(node) && node % 8 == 0)
            let count = Int(try memory.value(UInt32.self, node, 12))
            nodes.append((try memory.value(UInt32.self, node, 8), try memory.read(count, at: GuestAddress(node + 16))))
            node = try memory.value(UInt64.self, node)
        }
        #expect(nodes.map(\.0) == [2, 9])
        #expect(nodes.map(\.1) == [loader.deviceTree, loader.randomSeed])
    }

    @Test func setupDataHasItsLimit() throws {
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        loader.deviceTree = pattern(Int(BootLayout.setupData.count) - 16)
        #expect(try problem(loader) == nil)
        loader.deviceTree.append(0)
        #expect(
            try problem(loader)
                == .tableTooLarge(what: "device tree", size: UInt64(loader.deviceTree.count), limit: 128 << 10))
    }

    @Test func thirtyTwoBitKernelsStartInProtectedMode() throws {
        var elf = ELFBuilder(is64Bit: false, machine: 3, entry: 0x20_0000)
        elf.add(pattern(100), at: 0x20_0000, virtual: 0xc020_0000)
        let memory = try GuestMemory(size: 16 << 20)
        let guest = try BootLoader(kernel: elf.image()).load(into: memory)
        #expect(guest.info.bootProtocol == .linux32 && guest.info.format == .elf32)
        #expect(guest.state == .protected32(entry: 0x20_0000, esi: UInt32(Self.page)))
    }

    @Test(arguments: [2047, 2048])
    func commandLinesHaveALimit(_ count: Int) throws {
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        loader.commandLine = loader.commandLine.replaced(by: String(repeating: "x", count: count))
        #expect(try problem(loader) == (count <= 2047 ? nil : .commandLineTooLong(length: count, limit: 2047)))
        loader.commandLine = loader.commandLine.replaced(by: "a\0b")
        #expect(try problem(loader) == .commandLineHasNUL)
    }
}
