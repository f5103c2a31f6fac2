import CLinux
import Glibc
package import HostResources
import SystemPackage

/// The names in a directory, in no order, without itself and its parent.
package enum DirectoryListing {
    /// Of an open directory, from its beginning.
    /// - Throws: an error that calls the directory `path`.
    package static func names(
        in directory: borrowing OwnedFileDescriptor, path: @autoclosure () -> String
    ) throws(HostError) -> [FileName] {
        let copy = caisson_duplicate(directory.rawValue)
        // SAFETY: the stream owns the copy.
        guard copy >= 0, let stream = unsafe fdopendir(copy) else { throw HostError("read", path(), Errno.current) }
        // SAFETY: open until here.
        defer { unsafe closedir(stream) }
        unsafe rewinddir(stream)
        return unsafe names(of: stream)
    }

    /// Of a directory by its path; none where there is no directory.
    package static func names(in path: String) throws(HostError) -> [FileName] {
        // SAFETY: the path lives through the call.
        guard let stream = unsafe opendir(path) else {
            if errno == ENOENT { return [] }
            throw HostError("open the directory", path, Errno.current)
        }
        // SAFETY: open until here.
        defer { unsafe closedir(stream) }
        return unsafe names(of: stream)
    }

    private static func names(of stream: OpaquePointer) -> [FileName] {
        var names: [FileName] = []
        // SAFETY: the entry lives until the next call, and its name ends with a NUL.
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                unsafe name.withMemoryRebound(to: UInt8.self, capacity: FileName.longest + 1) { bytes in
                    unsafe FileName(UnsafeBufferPointer(start: bytes, count: strlen(name)))
                }
            }
            if name != .current, name != .parent { names.append(name) }
        }
        return names
    }
}
