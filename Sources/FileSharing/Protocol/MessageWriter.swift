/// An answer as it is put together.
struct MessageWriter {
    private(set) var bytes: [UInt8] = []

    var count: Int { bytes.count }

    init(capacity: Int = 160) { bytes.reserveCapacity(capacity) }

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    mutating func append<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
        for index in 0..<MemoryLayout<Value>.size { bytes.append(UInt8(truncatingIfNeeded: value >> Value(8 * index))) }
    }

    mutating func append(_ bytes: some Collection<UInt8>) { self.bytes += bytes }

    mutating func append(zeros count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }

    /// `struct fuse_attr`.
    mutating func append(_ attributes: FileAttributes) {
        append(attributes.inode)
        append(attributes.size)
        append(attributes.blocks)
        append(UInt64(bitPattern: attributes.accessed.seconds))
        append(UInt64(bitPattern: attributes.modified.seconds))
        append(UInt64(bitPattern: attributes.changed.seconds))
        append(attributes.accessed.nanoseconds)
        append(attributes.modified.nanoseconds)
        append(attributes.changed.nanoseconds)
        append(attributes.mode)
        append(attributes.links)
        append(attributes.user)
        append(attributes.group)
        append(attributes.specialDevice)
        append(attributes.blockSize)
        append(UInt32(0))
    }

    /// `struct fuse_entry_out`.
    mutating func append(_ entry: FileEntry) {
        append(entry.node)
        append(entry.generation)
        append(FileEntry.validSeconds)
        append(FileEntry.validSeconds)
        append(UInt64(0))
        append(entry.attributes)
    }

    /// `struct fuse_attr_out`.
    mutating func append(attributesAnswer attributes: FileAttributes) {
        append(FileEntry.validSeconds)
        append(UInt64(0))
        append(attributes)
    }

    /// `struct fuse_open_out`.
    mutating func append(openHandle handle: UInt64, keepsCache: Bool) {
        append(handle)
        // FOPEN_KEEP_CACHE.
        append(UInt32(keepsCache ? 2 : 0))
        append(UInt32(0))
    }

    /// `struct fuse_dirent`.
    mutating func append(_ entry: DirectoryEntry, inode: UInt64) {
        append(inode)
        append(entry.next)
        append(UInt32(entry.name.count))
        append(UInt32(entry.type))
        append(entry.name)
        append(zeros: DirectoryEntry.padding(entry.name.count))
    }
}

/// What the guest is told of a file.
package struct FileAttributes: Equatable, Sendable {
    package struct Time: Equatable, Sendable {
        package var seconds: Int64
        package var nanoseconds: UInt32
    }

    package var inode: UInt64
    package var size: UInt64
    package var blocks: UInt64
    package var accessed: Time
    package var modified: Time
    package var changed: Time
    package var mode: UInt32
    package var links: UInt32
    package var user: UInt32
    package var group: UInt32
    package var specialDevice: UInt32
    package var blockSize: UInt32
}

/// A name that leads to a file, as the guest is told of it.
struct FileEntry {
    /// How long the guest may go by what it knows: what changes on the host shows in it after that.
    static let validSeconds: UInt64 = 1
    static let size = 128

    var node: UInt64
    var generation: UInt64
    var attributes: FileAttributes
}

/// An entry of a directory, as the host's kernel gives it.
struct DirectoryEntry {
    var inode: UInt64
    /// Where the entries behind it begin.
    var next: UInt64
    /// DT_REG and so on.
    var type: UInt8
    var name: ArraySlice<UInt8>

    /// Bytes of `struct fuse_dirent` with a name of `count` bytes.
    static func size(nameCount count: Int) -> Int { 24 + count + padding(count) }

    static func padding(_ count: Int) -> Int { (8 - count % 8) % 8 }
}
