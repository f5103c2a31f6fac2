import CLinux
import HostResources

/// Open files and their contents.
extension FileServer {
    // MARK: Opening

    mutating func open(_ header: FuseHeader, _ flags: UInt32, _ clearsSetID: Bool) throws(FileError) {
        try open(try nodes.node(header.node), flags, clearsSetID)
    }

    private mutating func open(_ node: Node, _ flags: UInt32, _ clearsSetID: Bool) throws(FileError) {
        let flags = try hostFlags(flags)
        if isReadOnly, flags != O_RDONLY { throw .readOnly }
        try files.checkRoom()
        let descriptor = try HostFile.open(try nodes.descriptor(of: node), flags)
        let raw = descriptor.rawValue
        let status = try HostFile.status(of: raw)
        guard status.type == UInt32(S_IFREG) else { throw FileError(EISDIR) }
        if clearsSetID, flags & O_TRUNC != 0 { try HostFile.clearSetID(of: raw) }
        let handle = files.add(OpenFile(descriptor, of: node))
        answer.append(openHandle: handle, keepsCache: keepsCache(of: node, status))
    }

    /// What counts of a guest's flags: which way it opens a file, and O_TRUNC. A write says whether it appends, and each file that
    /// wants its data on the disk is synchronized by requests.
    private func hostFlags(_ flags: UInt32) throws(FileError) -> Int32 {
        let flags = Int32(bitPattern: flags) & (O_ACCMODE | O_TRUNC)
        guard flags & O_ACCMODE != O_ACCMODE else { throw .invalid }
        return flags
    }

    /// Whether the guest may go by what it has of the contents: nothing changed since it opened the file last. What changed in the last
    /// moments may change again without another time, and counts for nothing.
    private func keepsCache(of node: Node, _ status: FileStatus) -> Bool {
        let isSettled = HostFile.now > status.changed.addingReportingOverflow(1).partialValue
        defer { node.version = isSettled ? status.version : nil }
        return isSettled && node.version == status.version
    }

    mutating func create(
        _ header: FuseHeader, _ name: FileName, _ flags: UInt32, _ mode: UInt32, _ clearsSetID: Bool
    ) throws(FileError) {
        let parent = try nodes.node(header.node)
        let hostFlags = try hostFlags(flags)
        try files.checkRoom()
        try nodes.checkRoom()
        let directory = try nodes.descriptor(of: parent)
        let descriptor: OwnedFileDescriptor
        do throws(FileError) {
            descriptor = try asUser(of: header) { () throws(FileError) in
                try HostFile.create(name, in: directory, hostFlags, mode: mode & 0o7777)
            }
        } catch {
            guard error.number == EEXIST, Int32(bitPattern: flags) & O_EXCL == 0 else { throw error }
            // Somebody on the host was faster.
            let entry = try lookUp(name, in: parent)
            answer.append(entry)
            return try open(try nodes.node(entry.node), flags, clearsSetID)
        }
        let entry = try entry(try HostFile.status(of: descriptor.rawValue), name, in: parent)
        let node = try nodes.node(entry.node)
        // An open file keeps its node's descriptor.
        _ = try nodes.descriptor(of: node)
        answer.append(entry)
        answer.append(openHandle: files.add(OpenFile(descriptor, of: node)), keepsCache: false)
    }

    // MARK: Contents

    mutating func read(
        _ place: FuseRequest.Place, _ count: UInt32, _ message: borrowing some FuseMessage & ~Copyable
    ) throws(FileError) -> UInt32 {
        let file = try files.file(place.handle).rawDescriptor
        let room = min(roomOf(message, atMost: count), UInt64(FuseProtocol.mostData))
        return UInt32(try HostFile.read(file, at: place.offset, count: room, into: message))
    }

    /// The answer is `struct fuse_write_out`.
    mutating func write(
        _ place: FuseRequest.Place, _ count: UInt32, _ appends: Bool, _ clearsSetID: Bool,
        _ message: borrowing some FuseMessage & ~Copyable
    ) throws(FileError) {
        let file = try files.file(place.handle).rawDescriptor
        let start = UInt64(FuseHeader.size + FuseRequest.writeSize)
        guard count <= FuseProtocol.mostData, message.requestSize - start == UInt64(count) else { throw .invalid }
        if clearsSetID { try HostFile.clearSetID(of: file) }
        let written = try HostFile.write(
            file, at: appends ? nil : place.offset, count: UInt64(count), from: message)
        answer.append(UInt32(written))
        answer.append(UInt32(0))
    }

    mutating func allocate(_ place: FuseRequest.Place, _ count: UInt64, _ mode: UInt32) throws(FileError) {
        // FALLOC_FL_KEEP_SIZE, with PUNCH_HOLE, and ZERO_RANGE with or without it.
        guard [0, 1, 3, 0x10, 0x11].contains(mode) else { throw .notSupported }
        guard count <= UInt64(Int64.max) - place.offset else { throw FileError(EFBIG) }
        try HostFile.allocate(try files.file(place.handle).rawDescriptor, place, count: count, mode: mode)
    }

    /// The answer is `struct fuse_lseek_out`. Nobody goes by the position of the descriptor itself.
    mutating func seek(_ place: FuseRequest.Place, _ forHole: Bool) throws(FileError) {
        let whence = forHole ? caisson_seek_hole : caisson_seek_data
        answer.append(
            try HostFile.seek(try files.file(place.handle).rawDescriptor, from: place.offset, whence: whence))
    }

    /// Bytes copied for one request: more would hold up the others.
    private static let longestCopy: UInt64 = 16 << 20

    mutating func copy(
        from source: FuseRequest.Place, to target: FuseRequest.Place, _ count: UInt64
    ) throws(FileError) {
        let (from, to) = (try files.file(source.handle), try files.file(target.handle))
        let copied = try HostFile.copy(
            from: from.rawDescriptor, at: source.offset, to: to.rawDescriptor, at: target.offset,
            count: min(count, Self.longestCopy))
        answer.append(UInt32(copied))
        answer.append(UInt32(0))
    }
}
