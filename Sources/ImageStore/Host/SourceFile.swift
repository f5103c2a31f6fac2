import CLinux
import HostIO
import HostResources
import SystemPackage

/// A file that is to become an image.
final class SourceFile: DiskContents {
    private let file: OwnedFileDescriptor
    let path: String
    let kind: FileType

    /// - Parameter path: `-` is standard input.
    init(_ path: String) throws(ImageStoreError) {
        self.path = path == "-" ? "standard input" : path
        do {
            let opened =
                try path == "-"
                ? FileDescriptor.standardInput.duplicate()
                : FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec])
            file = OwnedFileDescriptor(owning: opened.rawValue)
            kind = try Stat(opened).type
        } catch {
            throw .host(HostError("open", self.path, (error as? Errno) ?? .current))
        }
    }

    var descriptor: Int32 { file.rawValue }

    /// Bytes of a file or a disk.
    var size: UInt64 {
        let end = lseek(descriptor, 0, SEEK_END)
        _ = lseek(descriptor, 0, SEEK_SET)
        return UInt64(max(0, end))
    }

    func bytes(_ count: Int, at offset: UInt64) throws(ImageStoreError) -> [UInt8] {
        guard offset <= UInt64(Int64.max) - UInt64(count), let position = off_t(exactly: offset) else {
            return [UInt8](repeating: 0, count: count)
        }
        var bytes = [UInt8](repeating: 0, count: count)
        // SAFETY: as many bytes as the array has.
        guard unsafe pread(descriptor, &bytes, count, position) >= 0 else {
            throw .host(HostError("read", path, Errno.current))
        }
        return bytes
    }

    /// Keeps those away who write to it, as disks of machines do.
    func lock() throws(ImageStoreError) {
        let result = caisson_lock_disk(descriptor, 0)
        guard result != -EAGAIN, result != -EACCES else {
            throw .source(path, problem: "a machine that writes to it has it locked; stop that first")
        }
    }
}
