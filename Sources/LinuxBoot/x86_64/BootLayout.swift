package import GuestMemory

/// Where everything that is not the kernel or its ramdisk lies in the guest's first MiB. A test proves that no two
/// places overlap.
package enum BootLayout {
    /// The BIOS data area. Plain RAM: Linux stores its warm-reset flag at 0x472. Cleared, so that
    /// 0x40e and 0x413 tell of no extended BIOS data area.
    package static let biosDataArea = MemoryRange(0, upTo: 0x1000)
    package static let descriptorTable = MemoryRange(0x1000, upTo: 0x2000)
    /// PVH's start info or multiboot's information, with the lists and strings that they point to.
    package static let startInfo = MemoryRange(0x2000, upTo: 0x7000)
    /// Linux's `boot_params`.
    package static let zeroPage = MemoryRange(0x7000, upTo: 0x8000)
    /// PML4, one page-directory-pointer table, four page directories.
    package static let pageTables = MemoryRange(0x9000, upTo: 0xf000)
    package static let commandLine = MemoryRange(0x1_0000, upTo: 0x2_0000)
    /// Linux's `setup_data` list. The kernel reserves what is in it by itself.
    package static let setupData = MemoryRange(0x2_0000, upTo: 0x4_0000)
    /// A stack for a kernel that does not bring its own.
    package static let stack = MemoryRange(0x4_0000, upTo: 0x5_0000)
    /// All of the above: no kernel is loaded here. RAM in the memory map, as nothing of it outlives the start.
    package static let structures = MemoryRange(0, upTo: 0x5_0000)

    /// The extended BIOS data area of a PC; nothing is in it, and guests may look for tables there. Reserved.
    package static let extendedBIOSData = MemoryRange(0x9_fc00, upTo: 0xa_0000)
    /// The BIOS area, where guests look for ACPI's root pointer and the MP floating pointer. Reserved.
    package static let firmware = MemoryRange(0xe_0000, upTo: 0x10_0000)
    package static let acpiTables = MemoryRange(0xe_0000, upTo: 0xf_0000)
    package static let mpTable = MemoryRange(0xf_0000, upTo: 0x10_0000)
    /// Video memory and ROMs on a PC, up to the firmware's end: no RAM for a guest.
    package static let legacyHole = MemoryRange(0x9_fc00, upTo: 0x10_0000)

    /// The address of `warm_reset_flag`: a word in which Linux stores 0x1234 for a reset after a panic with
    /// `reboot=panic_warm`.
    package static let warmResetFlag: GuestAddress = 0x472

    /// A machine has at least the first MiB.
    package static let minimumMemory: UInt64 = 0x10_0000

    static let ioAPIC: UInt32 = 0xfec0_0000
    static let localAPIC: UInt32 = 0xfee0_0000
}
