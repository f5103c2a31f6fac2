import CLinux

typealias FileStatus = caisson_file_status

/// What tells a file from all others, also from one that is made later and gets its number.
struct FileIdentity: Hashable {
    var device: UInt64
    var inode: UInt64
    /// When it was made, as far as its file system knows.
    var birth: UInt64
}

/// What changes with a file's contents.
struct FileVersion: Equatable {
    var size: UInt64
    var modified: FileAttributes.Time
    var changed: FileAttributes.Time
}

extension FileStatus {
    var identity: FileIdentity { FileIdentity(device: device, inode: inode, birth: birth) }

    /// S_IFREG and so on.
    var type: UInt32 { mode & UInt32(S_IFMT) }

    var version: FileVersion {
        FileVersion(
            size: size, modified: .init(seconds: modified, nanoseconds: modified_nanoseconds),
            changed: .init(seconds: changed, nanoseconds: changed_nanoseconds))
    }

    /// What the guest is told.
    /// - Parameter root: the device of the share's own directory.
    func attributes(root: UInt64) -> FileAttributes {
        FileAttributes(
            inode: Self.inode(inode, on: device, root: root), size: size, blocks: blocks,
            accessed: .init(seconds: accessed, nanoseconds: accessed_nanoseconds),
            modified: .init(seconds: modified, nanoseconds: modified_nanoseconds),
            changed: .init(seconds: changed, nanoseconds: changed_nanoseconds), mode: mode, links: links, user: user,
            group: group, specialDevice: special_device, blockSize: block_size)
    }

    /// To the guest a share is one file system: numbers of others that are mounted in it move apart.
    static func inode(_ inode: UInt64, on device: UInt64, root: UInt64) -> UInt64 {
        device == root ? inode : inode ^ (device &* 0x9e37_79b9_7f4a_7c15) | 1 << 63
    }
}
