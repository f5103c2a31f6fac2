import Devices
public import SystemPackage

/// What a device shares of the host's.
///
/// Conforming types are this library's own.
public protocol DirectoryShare: Sendable {}

/// A directory of the host's, as a guest is to have it.
public struct SharedDirectory: Sendable, Equatable {
    /// The directory.
    public var path: FilePath
    /// Whether the guest cannot change anything in it.
    public var isReadOnly: Bool

    /// The directory at `path`.
    public init(path: FilePath, readOnly: Bool = false) {
        self.path = path
        isReadOnly = readOnly
    }
}

/// One directory, which is the root of the file system that the guest mounts.
public struct SingleDirectoryShare: DirectoryShare, Equatable {
    /// The directory that is shared.
    public var directory: SharedDirectory

    /// A share of `directory`.
    public init(directory: SharedDirectory) { self.directory = directory }
}

/// A virtio file system device (virtio-fs): a directory of the host's, live in the guest, which mounts it by its tag
/// (`mount -t virtiofs TAG DIRECTORY` with Linux). The guest reaches nothing outside of the directory, and does there what the machine's process may
/// do.
public struct VirtioFileSystemDeviceConfiguration: Sendable {
    /// What the guest finds the file system by: 1 to 36 bytes, and no other device's of the machine.
    public var tag: String
    /// What is shared.
    public var share: any DirectoryShare

    /// A device that shares `share`.
    public init(tag: String, share: any DirectoryShare) {
        self.tag = tag
        self.share = share
    }

    /// Checks a tag.
    /// - Throws: `invalidConfiguration`.
    public static func validateTag(_ tag: String) throws(VirtualMachineError) {
        guard VirtioFileSystem.isTag(tag) else {
            throw VirtualMachineError(
                .invalidConfiguration,
                "'\(tag)' is no file system's tag: it has 1 to \(VirtioFileSystem.tagSize) bytes, none of them 0")
        }
    }
}

extension VirtioFileSystemDeviceConfiguration {
    /// Nil for a share that is none of Caisson's.
    var directory: SharedDirectory? { (share as? SingleDirectoryShare)?.directory }

    /// - Throws: `invalidConfiguration`.
    func validate() throws(VirtualMachineError) {
        func invalid(_ message: String) -> VirtualMachineError { VirtualMachineError(.invalidConfiguration, message) }
        try Self.validateTag(tag)
        guard let directory else { throw invalid("the share of file system '\(tag)' is none of Caisson's") }
        guard !directory.path.isEmpty else { throw invalid("the share of file system '\(tag)' has no path") }
    }
}
