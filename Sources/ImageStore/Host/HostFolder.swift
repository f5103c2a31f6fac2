import CLinux
import Glibc
import HostIO
import SystemPackage

/// Directories of the store, by their paths.
enum HostFolder {
    /// Makes a directory and those above it, where they are missing.
    static func make(_ path: String) throws(ImageStoreError) {
        // SAFETY: the path lives through the call.
        if unsafe mkdir(path, 0o755) == 0 || errno == EEXIST { return }
        let parent = FilePath(path).removingLastComponent().string
        guard errno == ENOENT, !parent.isEmpty, parent != path else {
            throw .host(HostError("make the directory", path, Errno.current))
        }
        try make(parent)
        // SAFETY: as above.
        guard unsafe mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw .host(HostError("make the directory", path, Errno.current))
        }
    }

    /// The names in a directory, in no order; none where there is no directory.
    static func names(in path: String) throws(ImageStoreError) -> [FileName] {
        do throws(HostError) { return try DirectoryListing.names(in: path) } catch { throw .host(error) }
    }

    /// Puts the names in a directory on stable storage.
    static func synchronize(_ path: String) throws(ImageStoreError) {
        // SAFETY: the path lives through the call.
        let result = unsafe caisson_sync_directory(path)
        guard result == 0 else { throw .host(HostError("write", path, Errno(rawValue: -result))) }
    }

    /// Removes a file; one that is not there is gone already.
    static func removeFile(_ path: String) throws(ImageStoreError) {
        // SAFETY: the path lives through the call.
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .host(HostError("remove", path, Errno.current)) }
    }

    static func rename(_ old: String, to new: String) throws(ImageStoreError) {
        // SAFETY: both paths live through the call.
        guard unsafe Glibc.rename(old, new) == 0 else { throw .host(HostError("make", new, Errno.current)) }
    }
}
