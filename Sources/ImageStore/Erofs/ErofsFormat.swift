/// EROFS as Linux reads it (fs/erofs/erofs_fs.h): blocks of 4 KiB, inodes of the extended form, nothing compressed.
enum Erofs {
    static let blockSize = 4096
    static let magic: UInt32 = 0xe0f5_e1e2
    static let superblockOffset = 1024
    static let superblockSize = 128
    static let inodeSize = 64
    /// Inodes are known by their offset in units of these.
    static let slotSize = 32

    /// Where an inode's bytes are.
    enum Layout: UInt16 {
        /// In blocks of their own.
        case plain = 0
        /// What does not fill a block is behind the inode.
        case inline = 2
    }

    /// A file's type in a directory.
    static func type(of kind: FileEntry.Kind) -> UInt8 {
        switch kind {
        case .regular: 1
        case .directory: 2
        case .characterDevice: 3
        case .blockDevice: 4
        case .fifo: 5
        case .symbolicLink: 7
        }
    }

    /// A file's type in its mode.
    static func mode(of entry: FileEntry) -> UInt16 {
        let type: UInt16 =
            switch entry.kind {
            case .fifo: 0o010000
            case .characterDevice: 0o020000
            case .directory: 0o040000
            case .blockDevice: 0o060000
            case .regular: 0o100000
            case .symbolicLink: 0o120000
            }
        return type | entry.attributes.mode
    }

    /// Linux's new_encode_dev; nil for numbers that it does not have.
    static func device(major: UInt32, minor: UInt32) -> UInt32? {
        guard major < 1 << 12, minor < 1 << 20 else { return nil }
        return minor & 0xff | major << 8 | (minor & ~0xff) << 12
    }
}
