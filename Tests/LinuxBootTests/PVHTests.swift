import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct PVHTests {
    static func kernel(is64Bit: Bool) -> ELFBuilder {
        var elf = ELFBuilder(is64Bit: is64Bit, machine: is64Bit ? 62 : 3, entry: 0x20_0000)
        elf.addPVHNote(0x20_0040)
        elf.add(pattern(500), at: 0x20_0000)
        return elf
    }

    /// `hvm_start_info` and its lists, at the offsets of Xen's start_info.h.
    @Test(arguments: [true, false])
    func startInfoIsInEBX(_ is64Bit: Bool) throws {
        let memory = try GuestMemory(size: 16 << 20)
        var loader = BootLoader(kernel: Self.kernel(is64Bit: is64Bit).image())
        loader.ramdisks = [ByteArrayBootImage(pattern(10), name: "a"), ByteArrayBootImage(pattern(7), name: "b")]
        loader.acpiHardware = .example
        let guest = try loader.load(into: memory)
        #expect(guest.info.bootProtocol == .pvh)
        let info = guest.state.rbx
        #expect(guest.state == .protected32(entry: 0x20_0040, ebx: UInt32(info)))
        #expect(try memory.value(UInt32.self, info, 0) == 0x336e_c578)
        #expect(try memory.value(UInt32.self, info, 4) == 1)
        #expect(try memory.value(UInt32.self, info, 12) == 1)
        #expect(try memory.string(at: memory.value(UInt64.self, info, 24)) == CommandLine.linux.text)
        #expect(try memory.value(UInt64.self, info, 32) == BootLayout.acpiTables.start)

        let module = try memory.value(UInt64.self, info, 16)
        let ramdisk = guest.info.ramdiskRanges[0]
        #expect(try memory.value(UInt64.self, module) == ramdisk.start)
        #expect(try memory.value(UInt64.self, module, 8) == ramdisk.count)
        #expect(ramdisk.count == 12 + 7)

        let map = try memory.value(UInt64.self, info, 40)
        let entries = MemoryMap(of: memory).entries
        #expect(try memory.value(UInt32.self, info, 48) == UInt32(entries.count))
        for (index, entry) in entries.enumerated() {
            #expect(try memory.value(UInt64.self, map, UInt64(index) * 24) == entry.range.start)
            #expect(try memory.value(UInt64.self, map, UInt64(index) * 24 + 8) == entry.range.count)
            #expect(try memory.value(UInt32.self, map, UInt64(index) * 24 + 16) == entry.kind.rawValue)
        }
    }

    @Test func linuxPrefersItsOwnEntry() throws {
        var elf = Self.kernel(is64Bit: true)
        elf.addNotes([ELFBuilder.note("Linux", type: 0x101, [0])])
        let memory = try GuestMemory(size: 16 << 20)
        var loader = BootLoader(kernel: elf.image())
        #expect(try loader.load(into: memory).state.mode == .long64)
        loader.bootProtocol = .pvh
        #expect(try loader.load(into: memory).state.rip == 0x20_0040)
        loader.commandLine = loader.commandLine.replaced(by: String(repeating: "x", count: 2048))
        #expect(try problem(loader) == .commandLineTooLong(length: 2048, limit: 2047))
        loader = BootLoader(kernel: Self.kernel(is64Bit: true).image())
        loader.commandLine = loader.commandLine.replaced(by: String(repeating: "x", count: 2048))
        #expect(try problem(loader) == nil)
    }

    @Test func aKernelWithoutTheNoteIsRefused() throws {
        var loader = BootLoader(kernel: ELFKernelTests.kernel().image())
        loader.bootProtocol = .pvh
        #expect(
            try problem(loader) == .cannotBootBy(.pvh, reason: "it has no PVH note (a Linux needs CONFIG_PVH)"))
    }

    @Test func anEntryOutsideTheKernelIsRefused() throws {
        var elf = ELFBuilder()
        elf.addPVHNote(0x30_0000)
        elf.add(pattern(500), at: 0x20_0000)
        #expect(try problem(elf.image()) == .entryOutsideKernel(0x30_0000))
    }
}
