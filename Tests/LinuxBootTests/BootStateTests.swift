import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct BootStateTests {
    @Test(
        arguments: [
            (Segment.code64, 0x00af_9b00_0000_ffff), (.code32, 0x00cf_9b00_0000_ffff),
            (.flatData, 0x00cf_9300_0000_ffff),
            (.task, 0x0000_8b00_0000_0067), (.real(0xf000, isCode: true), 0x0000_9b0f_0000_ffff),
        ] as [(Segment, UInt64)])
    func descriptors(_ segment: Segment, _ descriptor: UInt64) {
        #expect(segment.descriptor == descriptor)
    }

    @Test(arguments: [BootState.long64(entry: 0x10_0000), .protected32(entry: 0x10_0000)])
    func tableHoldsWhatTheSegmentRegistersHold(_ state: BootState) throws {
        let memory = try GuestMemory(size: 1 << 20)
        state.prepare(memory)
        for segment in [state.code, state.data, state.task] {
            #expect(UInt64(segment.selector) + 7 <= UInt64(state.gdt.limit))
            #expect(try memory.value(UInt64.self, state.gdt.base, UInt64(segment.selector)) == segment.descriptor)
        }
        #expect(try memory.value(UInt64.self, state.gdt.base) == 0)
        #expect(BootLayout.descriptorTable.contains(state.gdt.base + UInt64(state.gdt.limit)))
    }

    @Test func longModeHasAllItsSwitchesOn() {
        let state = BootState.long64(entry: 0x123)
        #expect(state.cr0 == 0x8000_0011)
        #expect(state.cr4 == 0x20)
        #expect(state.efer == 0x500)
        #expect(state.code.isLong && !state.code.isBig)
    }

    /// PVH and multiboot: protection on, paging off, the rest of CR0 and all of CR4 clear (ET is fixed at 1).
    @Test func protectedModeHasPagingOff() {
        let state = BootState.protected32(entry: 0x123, eax: 1, ebx: 2, esi: 3)
        #expect(state.cr0 == 0x11 && state.cr4 == 0 && state.efer == 0)
        #expect(state.code.isBig && !state.code.isLong)
        #expect([state.rip, state.rax, state.rbx, state.rsi] == [0x123, 1, 2, 3])
        #expect(state.rflags == 2)
    }

    @Test func realModeTouchesNoMemory() throws {
        let memory = try GuestMemory(size: 4096)
        let state = BootState.real16(segment: 0x100, offset: 0x20)
        state.prepare(memory)
        #expect(try memory.read(4096, at: 0) == [UInt8](repeating: 0, count: 4096))
        #expect(state.code.base == 0x1000 && state.rip == 0x20)
        #expect(state.cr0 & 1 == 0)
    }

    /// Walks the tables as the processor does.
    private func translate(_ address: UInt64, _ state: BootState, _ memory: GuestMemory) throws -> UInt64? {
        var table = state.cr3
        for level in [39, 30, 21] as [UInt64] {
            let entry = try memory.value(UInt64.self, table, (address >> level & 0x1ff) * 8)
            guard entry & 0b11 == 0b11 else { return nil }
            #expect(entry & 1 << 5 != 0)
            if level == 21 {
                #expect(entry & 1 << 7 != 0)
                return (entry & 0x000f_ffff_ffe0_0000) | address & 0x1f_ffff
            }
            table = entry & 0x000f_ffff_ffff_f000
            #expect(BootLayout.pageTables.contains(table))
        }
        return nil
    }

    @Test func firstFourGiBMapToThemselvesAndNothingElseIsMapped() throws {
        let memory = try GuestMemory(size: 1 << 20)
        try memory.fill(0, count: memory.size, with: 0xff)
        let state = BootState.long64(entry: 0x10_0000)
        state.prepare(memory)
        for page in 0..<UInt64(2048) {
            let address = page << 21 | 0x12_3456
            #expect(try translate(address, state, memory) == address)
        }
        for address in [1 << 32, 5 << 32, 1 << 39, 0xffff_ffff_8100_0000] as [UInt64] {
            #expect(try translate(address, state, memory) == nil)
        }
    }
}
