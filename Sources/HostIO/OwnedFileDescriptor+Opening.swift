import CLinux
import HostResources
import SystemPackage

extension OwnedFileDescriptor {
    /// A second descriptor of the same open file.
    init(duplicating raw: Int32) throws(HostError) {
        let copy = caisson_duplicate(raw)
        guard copy >= 0 else { throw HostError("duplicate", "descriptor \(raw)", Errno(rawValue: -copy)) }
        self.init(owning: copy)
    }

    /// Opens a file; never makes a terminal the process's own.
    init(
        opening path: String, _ mode: FileDescriptor.AccessMode, options: FileDescriptor.OpenOptions
    ) throws(HostError) {
        let options = options.union([.closeOnExec, .init(rawValue: O_NOCTTY)])
        do {
            let opened = try FileDescriptor.open(
                FilePath(path), mode, options: options, permissions: [.ownerReadWrite, .groupRead, .otherRead])
            self.init(owning: opened.rawValue)
        } catch {
            throw HostError("open", path, (error as? Errno) ?? .current)
        }
    }
}

/// Keeps a descriptor open for all who hold this: a handler that is being called never meets another descriptor that
/// got its number.
package final class SharedFileDescriptor: Sendable {
    private let owned: OwnedFileDescriptor

    init(_ owned: consuming OwnedFileDescriptor) { self.owned = owned }

    var rawValue: Int32 { owned.rawValue }
}
