import CArchive
import CLinux
import Glibc

/// Reads the entries of an archive of tar's family, and puts the files' bytes into a spool.
///
/// Names are paths below the archive's root whatever they say; nothing is ever made on the host.
struct TarReader {
    private let handle: ArchiveHandle
    private let name: String
    private let spool: Spool
    private let budget: ImportBudget

    /// - Parameters:
    ///   - source: bytes that are not compressed.
    ///   - name: of the archive, for errors.
    init(
        _ source: any ByteSource, name: String, into spool: Spool, within budget: ImportBudget
    ) throws(ImageStoreError) {
        handle = try ArchiveHandle(.tar, from: source, name: name)
        self.name = name
        self.spool = spool
        self.budget = budget
    }

    /// All entries, in their order, and the count of bytes up to the end of the last one.
    func read() throws(ImageStoreError) -> (entries: [LayerEntry], byteCount: UInt64) {
        var entries: [LayerEntry] = []
        var byteCount: UInt64 = 0
        while let header = try unsafe handle.nextHeader() {
            guard let entry = try unsafe read(header) else { continue }
            try budget.spend(on: entry, of: name)
            entries.append(entry)
            byteCount = handle.byteCount
        }
        return (entries, byteCount)
    }

    /// Nil for what no file system has a place for, such as a volume's label.
    private func read(_ header: OpaquePointer) throws(ImageStoreError) -> LayerEntry? {
        // SAFETY: the header lives until the next one is asked for; its strings are copied.
        let path = try unsafe path(archive_entry_pathname(header))
        let attributes = unsafe attributes(of: header)
        if let target = unsafe archive_entry_hardlink(header) {
            return LayerEntry(path: path, content: .hardLink(try unsafe self.path(target)))
        }
        let device = unsafe (
            major: UInt32(truncatingIfNeeded: archive_entry_rdevmajor(header)),
            minor: UInt32(truncatingIfNeeded: archive_entry_rdevminor(header))
        )
        let kind: FileEntry.Kind
        switch unsafe archive_entry_filetype(header) {
        case S_IFDIR: kind = .directory
        case S_IFREG: kind = .regular(try unsafe readData(archive_entry_size(header), of: path))
        case S_IFLNK: kind = .symbolicLink(try unsafe target(archive_entry_symlink(header), of: path))
        case S_IFCHR: kind = .characterDevice(major: device.major, minor: device.minor)
        case S_IFBLK: kind = .blockDevice(major: device.major, minor: device.minor)
        case S_IFIFO: kind = .fifo
        default: return nil
        }
        return LayerEntry(path: path, content: .file(FileEntry(kind: kind, attributes: attributes)))
    }

    private func path(_ text: UnsafePointer<CChar>?) throws(ImageStoreError) -> EntryPath {
        do {
            return try EntryPath(parsing: unsafe Self.bytes(text))
        } catch {
            throw .source(name, problem: "\(error)")
        }
    }

    private func target(_ text: UnsafePointer<CChar>?, of path: EntryPath) throws(ImageStoreError) -> [UInt8] {
        let bytes = unsafe Self.bytes(text)
        guard !bytes.isEmpty, bytes.count <= EntryPath.longest else {
            throw .source(name, problem: "the symbolic link '\(path)' leads to \(bytes.count) bytes")
        }
        return bytes
    }

    private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
        guard let text = unsafe text else { return [] }
        // SAFETY: the library's strings end with a NUL.
        return unsafe text.withMemoryRebound(to: UInt8.self, capacity: strlen(text)) { bytes in
            unsafe Array(UnsafeBufferPointer(start: bytes, count: strlen(text)))
        }
    }

    private func attributes(of header: OpaquePointer) -> FileAttributes {
        // SAFETY: as in read(_:).
        var attributes = unsafe FileAttributes(
            mode: UInt16(archive_entry_perm(header) & 0o7777),
            user: UInt32(truncatingIfNeeded: archive_entry_uid(header)),
            group: UInt32(truncatingIfNeeded: archive_entry_gid(header)),
            modified: FileTime(
                seconds: Int64(archive_entry_mtime(header)),
                nanoseconds: UInt32(clamping: archive_entry_mtime_nsec(header)) % 1_000_000_000))
        unsafe archive_entry_xattr_reset(header)
        var key: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var count = 0
        while unsafe archive_entry_xattr_next(header, &key, &value, &count) == ARCHIVE_OK {
            attributes.extended.append(
                ExtendedAttribute(
                    name: unsafe Self.bytes(key),
                    value: unsafe Array(UnsafeRawBufferPointer(start: value, count: count))))
        }
        attributes.extended.sort { $0.name.lexicographicallyPrecedes($1.name) }
        return attributes
    }

    private func readData(_ size: la_int64_t, of path: EntryPath) throws(ImageStoreError) -> Extent {
        let extent = try budget.reserve(UInt64(max(0, size)), in: spool, for: name)
        while let (bytes, offset) = try unsafe handle.nextData() {
            guard UInt64(bytes.count) <= extent.count, offset <= extent.count - UInt64(bytes.count) else {
                throw .source(name, problem: "'\(path)' has more bytes than it says")
            }
            try unsafe spool.file.write(bytes, at: extent.offset + offset)
            budget.advance(UInt64(bytes.count))
        }
        return extent
    }
}
