/// File systems that are known by what they begin with.
package enum FileSystemKind: String, Codable, Sendable {
    case erofs
    case squashfs
    case ext4
    case xfs
    case btrfs
    case f2fs
    case vfat
    case swap

    /// Where on its device each has a number of its own.
    private static let signatures: [(kind: FileSystemKind, offset: UInt64, bytes: [UInt8])] = [
        (.squashfs, 0, Array("hsqs".utf8)),
        (.erofs, 1024, [0xe2, 0xe1, 0xf5, 0xe0]),
        // ext2 and ext3 have the same; Linux's ext4 mounts them.
        (.ext4, 1080, [0x53, 0xef]),
        (.xfs, 0, Array("XFSB".utf8)),
        (.btrfs, 0x10040, Array("_BHRfS_M".utf8)),
        (.f2fs, 1024, [0x10, 0x20, 0xf5, 0xf2]),
        (.vfat, 82, Array("FAT32   ".utf8)),
        (.vfat, 54, Array("FAT16   ".utf8)),
        (.vfat, 54, Array("FAT12   ".utf8)),
        (.swap, 4086, Array("SWAPSPACE2".utf8)),
    ]

    /// Whether a root file system can be of it.
    var canBeRoot: Bool { self != .vfat && self != .swap }

    /// What a device holds from `start` on; nil for what is none of these.
    static func detect(on disk: some DiskContents, at start: UInt64 = 0) throws(ImageStoreError) -> FileSystemKind? {
        for signature in signatures {
            let (offset, overflows) = start.addingReportingOverflow(signature.offset)
            if !overflows, try disk.bytes(signature.bytes.count, at: offset) == signature.bytes {
                return signature.kind
            }
        }
        return nil
    }
}

/// A disk that can be looked at.
protocol DiskContents {
    /// Bytes at a place; zeroes beyond the end.
    func bytes(_ count: Int, at offset: UInt64) throws(ImageStoreError) -> [UInt8]
}
