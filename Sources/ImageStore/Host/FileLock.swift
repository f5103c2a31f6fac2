import CLinux
import HostIO
import HostResources
import SystemPackage

/// A lock on a file (F_OFD_SETLK), held until nobody holds this any more. It ends with the process, whatever ends that.
package final class FileLock: Sendable {
    private let file: OwnedFileDescriptor

    private init(_ file: consuming OwnedFileDescriptor) { self.file = file }

    /// Keeps the lock until this process ends, whatever programs it becomes until then.
    package func holdUntilProcessEnds() throws(ImageStoreError) {
        do {
            // A lock is the open file's; exec closes the first descriptor and leaves this one.
            _ = try FileDescriptor(rawValue: file.rawValue).duplicate()
        } catch {
            throw .host(HostError("duplicate", "a lock", (error as? Errno) ?? .current))
        }
    }

    /// Waits for whoever holds a lock that does not go with this one.
    static func waiting(_ path: String, exclusive: Bool) throws(ImageStoreError) -> FileLock {
        // SAFETY: the path lives through the call.
        let descriptor = unsafe caisson_open_lock(path)
        guard descriptor >= 0 else { throw .host(HostError("open", path, Errno(rawValue: -descriptor))) }
        let lock = FileLock(OwnedFileDescriptor(owning: descriptor))
        let result = caisson_wait_for_lock(descriptor, exclusive ? 1 : 0)
        guard result == 0 else { throw .host(HostError("lock", path, Errno(rawValue: -result))) }
        return lock
    }

    /// Locks a file that is there; nil if another holds a lock that does not go with this one.
    static func trying(_ path: String, exclusive: Bool) throws(ImageStoreError) -> FileLock? {
        // SAFETY: the path lives through the call.
        let descriptor = unsafe caisson_open_disk(path, exclusive ? 1 : 0, 0)
        guard descriptor >= 0 else { throw .host(HostError("open", path, Errno(rawValue: -descriptor))) }
        let lock = FileLock(OwnedFileDescriptor(owning: descriptor))
        let result = caisson_lock_disk(descriptor, exclusive ? 1 : 0)
        guard result == 0 || result == -EAGAIN || result == -EACCES else {
            throw .host(HostError("lock", path, Errno(rawValue: -result)))
        }
        return result == 0 ? lock : nil
    }
}
