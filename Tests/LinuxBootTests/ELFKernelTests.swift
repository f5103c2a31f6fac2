import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct ELFKernelTests {
    static func kernel() -> ELFBuilder {
        var elf = ELFBuilder()
        elf.entry = 0x20_0010
        elf.add(pattern(3000), at: 0x20_0000, virtual: 0xffff_ffff_8020_0000)
        elf.add(pattern(100, seed: 7), at: 0x40_0000, virtual: 0, memorySize: 9000)
        return elf
    }

    @Test func segmentsAreCopiedAndTheRestIsCleared() throws {
        let memory = try GuestMemory(size: 16 << 20)
        try memory.fill(0, count: memory.size, with: 0xcc)
        let guest = try BootLoader(kernel: Self.kernel().image()).load(into: memory)
        #expect(try memory.read(3000, at: 0x20_0000) == pattern(3000))
        #expect(try memory.read(100, at: 0x40_0000) == pattern(100, seed: 7))
        #expect(try memory.read(8900, at: 0x40_0064) == [UInt8](repeating: 0, count: 8900))
        #expect(try memory.load(UInt8.self, at: 0x40_2328) == 0xcc)
        #expect(try memory.load(UInt16.self, at: BootLayout.warmResetFlag) == 0)
        #expect(guest.info.kernelBytes == 3100)
        #expect(guest.info.kernelRange == MemoryRange(0x20_0000, upTo: 0x40_2328))
        #expect(guest.info.format == .elf64)
    }

    @Test func linuxGetsTheZeroPageInRSI() throws {
        let memory = try GuestMemory(size: 16 << 20)
        let state = try BootLoader(kernel: Self.kernel().image()).load(into: memory).state
        #expect(state.mode == .long64)
        #expect(state.rip == 0x20_0010)
        #expect(state.rsi == BootLayout.zeroPage.start)
        let page = GuestAddress(state.rsi)
        #expect(try memory.load(UInt32.self, at: page.advanced(by: 0x202)!) == 0x5372_6448)
        let line = try memory.load(UInt32.self, at: page.advanced(by: 0x228)!)
        let text = try memory.read(13, at: GuestAddress(UInt64(line)))
        #expect(String(decoding: text, as: UTF8.self) == "console=ttyS0")
    }
}
