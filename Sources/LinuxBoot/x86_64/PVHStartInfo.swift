/// `hvm_start_info`, version 1, with its module and memory lists (Xen, public/arch-x86/hvm/start_info.h).
struct PVHStartInfo {
    private static let magic: UInt32 = 0x336e_c578
    private static let headerSize: UInt64 = 56
    private static let moduleSize: UInt64 = 32

    /// The header, the module list, the memory map: as they lie in `BootLayout.startInfo`.
    private(set) var bytes: [UInt8] = []

    init(map: MemoryMap, commandLine: UInt64, ramdisk: MemoryRange?, acpiRootPointer: UInt64) {
        let modules = BootLayout.startInfo.start + Self.headerSize
        let mapAddress = modules + (ramdisk == nil ? 0 : Self.moduleSize)
        bytes.append(field: Self.magic)
        bytes.append(field: UInt32(1))  // version
        bytes.append(field: UInt32(0))  // flags
        bytes.append(field: UInt32(ramdisk == nil ? 0 : 1))
        bytes.append(field: ramdisk == nil ? 0 : modules)
        bytes.append(field: commandLine)
        bytes.append(field: acpiRootPointer)
        bytes.append(field: mapAddress)
        bytes.append(field: UInt32(map.entries.count))
        bytes.append(field: UInt32(0))
        if let ramdisk {
            bytes.append(field: ramdisk.start)
            bytes.append(field: ramdisk.count)
            bytes.append(field: UInt64(0))  // no command line of its own
            bytes.append(field: UInt64(0))
        }
        for entry in map.entries {
            bytes.append(field: entry.range.start)
            bytes.append(field: entry.range.count)
            bytes.append(field: entry.kind.rawValue)
            bytes.append(field: UInt32(0))
        }
    }
}
