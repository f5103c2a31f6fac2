package import GuestMemory

/// Where everything that is not the kernel or its ramdisk lies in the guest's first MiB. A test proves that no two
/// places overlap.
package enum BootLayout {
    /// The BIOS data area. Memory, though the map does not call it RAM: Linux stores its warm-reset flag at 0x472.
    /// Cleared, so that 0x40e and 0x413 tell of no extended BIOS data area.
    package static let biosDataArea = MemoryRange(0, upTo: 0x1000)
    package static let descriptorTable = MemoryRange(0x1000, upTo: 0x2000)
    /// PVH's start info or multiboot's information, with the lists and strings that they point to.
    package static let startInfo = MemoryRange(0x2000, upTo: 0x7000)
    /// Linux's `boot_params`.
    package static let zeroPage = MemoryRange(0x7000, upTo: 0x8000)
    /// PML4, one page-directory-pointer table, four page directories.
    package static let pageTables = MemoryRange(0x9000, upTo: 0xf000)
    package static let commandLine = MemoryRange(0x1_0000, upTo: 0x2_0000)
    /// A stack for a kernel that does not bring its own.
    package static let stack = MemoryRange(0x2_0000, upTo: 0x3_0000)
    /// All of the above: no kernel is loaded here. RAM in the memory map from the second page on, as nothing of it
    /// outlives the start.
    package static let structures = MemoryRange(0, upTo: 0x3_0000)

    /// Where the memory map has a hole up to 1 MiB: what guests read later than at their start lies there, and video
    /// memory and ROMs on a PC. A hole, not a reserved entry: each entry of the map costs a kernel time.
    package static let legacyHole = MemoryRange(0x7_e000, upTo: 0x10_0000)
    /// Linux's `setup_data` list. In RAM it would split an entry of the map.
    package static let setupData = MemoryRange(0x7_e000, upTo: 0x9_e000)
    /// The MP configuration table.
    package static let mpTable = MemoryRange(0x9_e000, upTo: 0x9_fc00)
    /// The last KiB of a PC's base memory, where Linux looks for the MP floating pointer before it looks at the ROM.
    package static let endOfBaseMemory = MemoryRange(0x9_fc00, upTo: 0xa_0000)
    /// A PC's option ROMs. Here the host is probed while the guest is loaded; zero again afterwards.
    package static let hostProbe = MemoryRange(0xc_0000, upTo: 0xd_0000)
    package static let acpiTables = MemoryRange(0xe_0000, upTo: 0xf_0000)
    /// The BIOS ROM on a PC, where every guest looks for the MP floating pointer.
    package static let firmware = MemoryRange(0xf_0000, upTo: 0x10_0000)

    /// The address of `warm_reset_flag`: a word in which Linux stores 0x1234 for a reset after a panic with
    /// `reboot=panic_warm`.
    package static let warmResetFlag: GuestAddress = 0x472

    /// A machine has at least the first MiB.
    package static let minimumMemory: UInt64 = 0x10_0000

    static let ioAPIC: UInt32 = 0xfec0_0000
    static let localAPIC: UInt32 = 0xfee0_0000
}
