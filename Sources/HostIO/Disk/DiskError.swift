package import SystemPackage

/// Why a disk cannot be opened.
package enum DiskError: Error, Equatable {
    case refused(HostError, isWritable: Bool)
    case wrongKind(path: String, isDirectory: Bool)
    case empty(path: String)
    /// The size in bytes is no multiple of the block size.
    case partialBlock(path: String, byteCount: UInt64, blockSize: UInt32)
    case locked(path: String, isWritable: Bool)
    case noDirectIO(path: String)
    case noScratchFile(directory: String, Errno)
}

extension DiskError: CustomStringConvertible {
    /// One line: what, where, why, and what to do.
    package var description: String {
        switch self {
        case .refused(let error, true)
        where [.permissionDenied, .readOnlyFileSystem, .notPermitted].contains(error.errno):
            "\(error); a disk that the guest only reads is opened with readonly"
        case .refused(let error, _): "\(error)"
        case .wrongKind(let path, true): "\(path) is a directory, no disk image"
        case .wrongKind(let path, false): "\(path) is no disk: neither a file nor a block device"
        case .empty(let path): "the disk image \(path) is empty; truncate -s 4G \(path) gives it a size"
        case .partialBlock(let path, let byteCount, let blockSize):
            "the disk image \(path) has \(byteCount) bytes, no multiple of \(blockSize); "
                + "truncate -s %\(blockSize) \(path) fills its last block"
        case .locked(let path, true):
            "the disk \(path) is in use, perhaps by another machine; with readonly several can share it, "
                + "with snapshot each for itself"
        case .locked(let path, false): "the disk \(path) is in use by a machine that writes to it"
        case .noDirectIO(let path):
            "the disk \(path) is on a file system without direct I/O, which cache=none needs; use cache=writeback"
        case .noScratchFile(let directory, let errno):
            "cannot make a file for what a guest writes in \(directory): \(errno); TMPDIR chooses another directory"
        }
    }
}
