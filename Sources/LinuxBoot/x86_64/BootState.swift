package import GuestMemory

/// What the first processor holds when it executes its first instruction. Plain data: no KVM in it.
/// Registers that are not named are 0; DS, ES, FS, GS and SS are all `data`.
package struct BootState: Equatable, Sendable {
    package enum Mode: Equatable, Sendable {
        /// 16-bit code, no protection, as after a jump from the reset vector.
        case real16
        /// Flat 32-bit segments, paging off.
        case protected32
        /// 64-bit code, the first 4 GiB mapped to themselves.
        case long64
    }

    package struct DescriptorTable: Equatable, Sendable {
        package let base: UInt64
        /// The last valid offset, in bytes.
        package let limit: UInt16
    }

    package let mode: Mode
    package var rip: UInt64
    package var rax: UInt64 = 0
    package var rbx: UInt64 = 0
    package var rsi: UInt64 = 0
    package var rsp: UInt64 = 0
    /// Bit 1 is always set; interrupts are off.
    package let rflags: UInt64 = 2

    package let code: Segment
    package let data: Segment
    package let task: Segment
    package let localTable = Segment.none
    package let gdt: DescriptorTable
    package let idt: DescriptorTable

    package let cr0: UInt64
    package let cr3: UInt64
    package let cr4: UInt64
    package let efer: UInt64
}

extension BootState {
    /// 64-bit mode at `entry`. `prepare(_:)` writes the tables that this state relies on.
    package static func long64(entry: GuestAddress, rsi: GuestAddress = 0) -> BootState {
        BootState(
            mode: .long64, rip: entry.rawValue, rsi: rsi.rawValue, rsp: BootLayout.stack.end,
            code: .code64, data: .flatData, task: .task, gdt: flatTable, idt: noTable,
            cr0: ControlBits.protection | ControlBits.extensionType | ControlBits.paging,
            cr3: BootLayout.pageTables.start, cr4: ControlBits.physicalAddressExtension,
            efer: ControlBits.longModeEnable | ControlBits.longModeActive)
    }

    /// 32-bit protected mode without paging at `entry`. `prepare(_:)` writes the table that this state relies on.
    package static func protected32(
        entry: GuestAddress, eax: UInt32 = 0, ebx: UInt32 = 0, esi: UInt32 = 0
    ) -> BootState {
        BootState(
            mode: .protected32, rip: entry.rawValue, rax: UInt64(eax), rbx: UInt64(ebx), rsi: UInt64(esi),
            rsp: BootLayout.stack.end, code: .code32, data: .flatData, task: .task, gdt: flatTable, idt: noTable,
            cr0: ControlBits.protection | ControlBits.extensionType, cr3: 0, cr4: 0, efer: 0)
    }

    /// Real mode at `segment`:`offset`, all other segments 0.
    package static func real16(segment: UInt16, offset: UInt16) -> BootState {
        BootState(
            mode: .real16, rip: UInt64(offset), code: .real(segment, isCode: true), data: .real(0, isCode: false),
            task: Segment(selector: 0, base: 0, limit: 0xffff, type: 0b1011, isCodeOrData: false),
            gdt: DescriptorTable(base: 0, limit: 0xffff), idt: DescriptorTable(base: 0, limit: 0x3ff),
            cr0: ControlBits.extensionType, cr3: 0, cr4: 0, efer: 0)
    }

    /// Writes the GDT and, for 64-bit mode, the page tables. A loader does it by itself; a program that places code
    /// in memory by hand calls it once.
    /// - Precondition: the machine has `BootLayout.minimumMemory`.
    package func prepare(_ memory: GuestMemory) {
        guard mode != .real16 else { return }
        var table: [UInt8] = []
        for descriptor in [0, 0, code.descriptor, data.descriptor, task.descriptor, 0] {
            table.append(field: descriptor)
        }
        memory.place(table, at: gdt.base)
        if mode == .long64 { memory.place(PageTables.identity, at: cr3) }
    }

    // Two null descriptors, code, data, and a TSS that is 16 bytes long in 64-bit mode.
    private static let flatTable = DescriptorTable(base: BootLayout.descriptorTable.start, limit: 6 * 8 - 1)
    // Until the kernel loads its own, every exception is a triple fault.
    private static let noTable = DescriptorTable(base: 0, limit: 0)
}

/// Bits of CR0, CR4 and EFER (Intel SDM 3, 2.5 and 2.2.1).
private enum ControlBits {
    static let protection: UInt64 = 1 << 0
    static let extensionType: UInt64 = 1 << 4
    static let paging: UInt64 = 1 << 31
    static let physicalAddressExtension: UInt64 = 1 << 5
    static let longModeEnable: UInt64 = 1 << 8
    static let longModeActive: UInt64 = 1 << 10
}
