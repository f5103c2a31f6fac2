/// `boot_params`: what Linux is told at its start. Offsets are those of Linux's
/// Documentation/arch/x86/zero-page.rst and boot.rst.
struct ZeroPage {
    private enum Offset {
        static let acpiRootPointer = 0x070
        static let ramdiskHigh = 0x0c0
        static let ramdiskSizeHigh = 0x0c4
        static let commandLineHigh = 0x0c8
        static let mapCount = 0x1e8
        static let setupHeader = 0x1f1
        static let bootFlag = 0x1fe
        static let magic = 0x202
        static let version = 0x206
        static let loaderType = 0x210
        static let loadFlags = 0x211
        static let ramdisk = 0x218
        static let ramdiskSize = 0x21c
        static let commandLine = 0x228
        static let kernelAlignment = 0x230
        static let commandLineSize = 0x238
        static let setupData = 0x250
        static let map = 0x2d0
    }

    private static let size = 4096
    // The table in the page has room for 128 entries of 20 bytes; a MemoryMap has at most 3.
    private static let mapEntrySize = 20
    /// "Assigned boot loader ids": 0xFF is one without an id.
    private static let unknownLoader: UInt8 = 0xff
    /// LOADED_HIGH: the kernel is at or above 1 MiB.
    private static let loadedHigh: UInt8 = 1 << 0
    private static let headerMagic: UInt32 = 0x5372_6448
    private static let protocolVersion: UInt16 = 0x020f

    private(set) var bytes = [UInt8](repeating: 0, count: ZeroPage.size)

    /// - Parameters:
    ///   - header: the kernel's own, from a bzImage; a vmlinux has none and gets the least that Linux reads.
    ///   - setupData: the first node of the list, or 0.
    ///   - acpiRootPointer: the RSDP's address, or 0 to let the kernel look for it.
    init(
        header: SetupHeader?, map: MemoryMap, commandLine: UInt64, commandLineSize: Int, ramdisk: MemoryRange?,
        setupData: UInt64, acpiRootPointer: UInt64
    ) {
        if let header {
            bytes.replaceSubrange(
                Offset.setupHeader..<Offset.setupHeader + header.bytes.count, with: header.bytes)
        } else {
            bytes.set(UInt16(0xaa55), at: Offset.bootFlag)
            bytes.set(Self.headerMagic, at: Offset.magic)
            bytes.set(Self.protocolVersion, at: Offset.version)
            bytes.set(UInt32(0x20_0000), at: Offset.kernelAlignment)
            bytes.set(UInt32(commandLineSize), at: Offset.commandLineSize)
        }
        bytes.set(Self.unknownLoader, at: Offset.loaderType)
        bytes.set(bytes[Offset.loadFlags] | Self.loadedHigh, at: Offset.loadFlags)
        bytes.set(UInt32(truncatingIfNeeded: commandLine), at: Offset.commandLine)
        bytes.set(UInt32(truncatingIfNeeded: commandLine >> 32), at: Offset.commandLineHigh)
        if let ramdisk {
            bytes.set(UInt32(truncatingIfNeeded: ramdisk.start), at: Offset.ramdisk)
            bytes.set(UInt32(truncatingIfNeeded: ramdisk.start >> 32), at: Offset.ramdiskHigh)
            bytes.set(UInt32(truncatingIfNeeded: ramdisk.count), at: Offset.ramdiskSize)
            bytes.set(UInt32(truncatingIfNeeded: ramdisk.count >> 32), at: Offset.ramdiskSizeHigh)
        }
        bytes.set(setupData, at: Offset.setupData)
        bytes.set(acpiRootPointer, at: Offset.acpiRootPointer)
        bytes.set(UInt8(map.entries.count), at: Offset.mapCount)
        for (index, entry) in map.entries.enumerated() {
            let offset = Offset.map + index * Self.mapEntrySize
            bytes.set(entry.range.start, at: offset)
            bytes.set(entry.range.count, at: offset + 8)
            bytes.set(entry.kind.rawValue, at: offset + 16)
        }
    }
}
