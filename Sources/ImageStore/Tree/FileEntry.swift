/// A file of an image, without its name.
struct FileEntry: Equatable, Sendable {
    var kind: Kind
    var attributes = FileAttributes()

    enum Kind: Equatable, Sendable {
        case directory
        case regular(Extent)
        case symbolicLink([UInt8])
        case characterDevice(major: UInt32, minor: UInt32)
        case blockDevice(major: UInt32, minor: UInt32)
        case fifo
    }
}

/// Where a file's bytes are in a spool.
struct Extent: Equatable, Sendable {
    var offset: UInt64
    var count: UInt64
}

struct FileAttributes: Equatable, Sendable {
    /// The nine permission bits, and those for set-id and sticky.
    var mode: UInt16 = 0o755
    var user: UInt32 = 0
    var group: UInt32 = 0
    /// Since 1970.
    var modified = FileTime()
    var extended: [ExtendedAttribute] = []
}

struct FileTime: Equatable, Sendable {
    var seconds: Int64 = 0
    var nanoseconds: UInt32 = 0
}

struct ExtendedAttribute: Equatable, Sendable {
    /// With its name space: `user.mime_type`.
    var name: [UInt8]
    var value: [UInt8]
}

/// An entry of an archive, in its order.
struct LayerEntry: Equatable, Sendable {
    var path: EntryPath
    var content: Content

    /// Bytes that it takes in memory, about: every name, attribute and target is an allocation of its own.
    var memory: Int {
        func bytes(_ path: EntryPath) -> Int { path.byteCount + 64 * path.names.count }
        switch content {
        case .hardLink(let target): return 256 + bytes(path) + bytes(target)
        case .file(let file):
            var count = 256 + bytes(path)
            for attribute in file.attributes.extended { count += 128 + attribute.name.count + attribute.value.count }
            if case .symbolicLink(let target) = file.kind { count += target.count }
            return count
        }
    }

    enum Content: Equatable, Sendable {
        case file(FileEntry)
        /// Another name of a file that came before.
        case hardLink(EntryPath)
    }
}
