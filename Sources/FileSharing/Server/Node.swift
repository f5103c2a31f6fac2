import HostResources

/// A file that the guest knows, by the number that it was told.
///
/// Its descriptor may be closed while it is not used, as the guest may know far more files than a process may have descriptors. It is
/// opened again by its name in its directory, and is stale where something else is there by then.
final class Node {
    /// FUSE_ROOT_ID.
    static let rootID: UInt64 = 1

    let id: UInt64
    let identity: FileIdentity
    /// The directory where it was seen last; 0 for the share's own.
    var parent: UInt64
    /// Its name there; nil for the share's own directory.
    var name: FileName?
    /// How often the guest was told of it, less what it forgot.
    var lookups: UInt64 = 0
    /// Open files of it: its descriptor stays, as its name may go.
    var openCount = 0
    /// As it was when it was opened last.
    var version: FileVersion?
    /// Stands for it (O_PATH).
    var descriptor: OwnedFileDescriptor?
    /// Its place among those with a descriptor.
    var place = 0
    /// Used since the last time that somebody looked for one to close.
    var wasUsed = false

    init(id: UInt64, identity: FileIdentity, parent: UInt64, name: FileName?) {
        self.id = id
        self.identity = identity
        self.parent = parent
        self.name = name
    }

    var rawDescriptor: Int32? { descriptor?.rawValue }
    var isRoot: Bool { id == Self.rootID }
    /// Nobody knows it any more.
    var isForgotten: Bool { lookups == 0 && openCount == 0 && !isRoot }
}
