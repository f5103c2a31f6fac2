import CLinux
package import HostResources

/// Serves a directory of the host's to one guest, whose requests are those of FUSE.
///
/// The guest names files by numbers that it was told, and by single names in directories. Each is reached by a descriptor of its
/// directory's and without following links, so nothing outside of the shared directory is ever reached by a name, whatever becomes
/// of the directories meanwhile. Only regular files and directories are opened.
///
/// One thread at a time uses a server; a slow host has it wait. It may travel between threads: what it is made of it shares with
/// nobody.
package struct FileServer: ~Copyable, @unchecked Sendable {
    /// How much of the host's a guest can hold.
    package struct Limits: Equatable, Sendable {
        /// Files that the guest knows.
        package var nodes = 1 << 20
        /// Open files and directories.
        package var openFiles: Int
        /// Descriptors that are kept for files that are not open, so that they are found faster.
        package var descriptors: Int

        /// What one of several shares gets of the descriptors that a process may have.
        package init(descriptorLimit: UInt64, shareCount: Int = 1) {
            let part = Int(clamping: descriptorLimit) / max(shareCount, 1) / 4
            openFiles = min(max(part, 16), 65536)
            descriptors = min(max(part, 16), 4096)
        }
    }

    let isReadOnly: Bool
    /// Whose files a guest can make for others than this process's own user.
    let ownUser: UInt32
    let ownGroup: UInt32
    /// What synchronizes the whole file system.
    let rootDirectory: OwnedFileDescriptor
    let rootDevice: UInt64
    var nodes: NodeTable
    var files: OpenFileTable
    var isNegotiated = false
    var answer = MessageWriter()

    /// - Parameter root: the directory, open to be read.
    /// - Throws: what the host says.
    package init(root: consuming OwnedFileDescriptor, isReadOnly: Bool, limits: Limits) throws(FileError) {
        let status = try HostFile.status(of: root.rawValue)
        guard status.type == UInt32(S_IFDIR) else { throw FileError(ENOTDIR) }
        let node = try HostFile.openNode(of: root.rawValue)
        nodes = try NodeTable(root: node, limit: limits.nodes, descriptorLimit: limits.descriptors)
        rootDirectory = root
        rootDevice = status.device
        files = OpenFileTable(limit: limits.openFiles)
        self.isReadOnly = isReadOnly
        ownUser = geteuid()
        ownGroup = getegid()
    }

    /// Files that the guest knows.
    package var nodeCount: Int { nodes.count }
    /// Open files and directories.
    package var openFileCount: Int { files.count }
    /// Descriptors kept for other files.
    package var descriptorCount: Int { nodes.descriptorCount }

    /// Has the thread that will serve requests make files with the modes that guests ask for.
    package static func prepareThread() { _ = caisson_clear_own_mask() }

    /// Forgets everything that the guest knows and has open.
    package mutating func reset() {
        files.removeAll()
        nodes.removeAll()
        isNegotiated = false
    }

    // MARK: Requests

    /// Bytes of a request that are looked at, the data of a write apart: an extended attribute has the most.
    static let longestRequest =
        FuseHeader.size + 8 + FuseRequest.longestAttributeName + 1 + FuseRequest.longestValue
    /// Of those, what a write has before its data.
    private static let beginning = FuseHeader.size + FuseRequest.writeSize
    /// Bytes of directory entries for one request.
    static let longestList = 128 << 10

    /// Carries out a request and stores its answer.
    /// - Returns: the bytes of the answer; nil for a request that cannot be answered, as it has no whole header or no room.
    package mutating func serve(_ message: borrowing some FuseMessage & ~Copyable) -> UInt32? {
        var bytes = message.copyRequest(atMost: Self.beginning)
        var reader = MessageReader(bytes)
        guard let header = try? FuseHeader(&reader) else { return nil }
        let operation = FuseOperation(rawValue: header.operation)
        let isSilent = operation?.isSilent ?? false
        guard isSilent || message.answerRoom >= UInt64(FuseHeader.replySize) else { return nil }

        answer.removeAll()
        var data: UInt32 = 0
        var failure: FileError?
        do throws(FileError) {
            guard UInt64(header.length) == message.requestSize else { throw .invalid }
            guard let operation else { throw .notImplemented }
            if operation != .write, message.requestSize > UInt64(Self.beginning) {
                guard message.requestSize <= UInt64(Self.longestRequest) else { throw FileError(E2BIG) }
                bytes = message.copyRequest(atMost: Self.longestRequest)
                reader = MessageReader(bytes)
                // The header was read once already.
                try reader.skip(FuseHeader.size)
            }
            if isReadOnly, operation.isChange { throw .readOnly }
            let request = try FuseRequest(operation, header, &reader)
            data = try perform(request, header, message)
        } catch { failure = error }
        nodes.closeUnused()
        if isSilent { return 0 }
        if failure == nil, UInt64(FuseHeader.replySize + answer.count) > message.answerRoom { failure = .invalid }
        if failure != nil {
            answer.removeAll()
            data = 0
        }
        // The data of a read are stored already.
        let length = UInt32(FuseHeader.replySize + answer.count) + data
        var head = MessageWriter()
        head.append(length)
        head.append(UInt32(bitPattern: -(failure?.number ?? 0)))
        head.append(header.unique)
        message.store(head.bytes.span, at: 0)
        message.store(answer.bytes.span, at: UInt64(FuseHeader.replySize))
        return length
    }

    /// - Returns: the bytes of data that were stored behind the answer's head.
    private mutating func perform(
        _ request: FuseRequest, _ header: FuseHeader, _ message: borrowing some FuseMessage & ~Copyable
    ) throws(FileError) -> UInt32 {
        if case .initialize(let negotiation) = request {
            try negotiate(negotiation)
            return 0
        }
        guard isNegotiated else { throw .notNegotiated }
        switch request {
        case .initialize, .interrupt: break
        case .destroy: reset()
        case .forget(let items): for item in items { nodes.forget(item.node, count: item.count) }

        case .lookup(let name): answer.append(try lookUp(name, in: nodes.node(header.node)))
        case .getAttributes(let handle): try getAttributes(header, handle)
        case .setAttributes(let changes): try setAttributes(header, changes)
        case .readLink: answer.append(try HostFile.target(of: try node(header)))
        case .makeSymbolicLink(let name, let target): try makeSymbolicLink(header, name, target)
        case .makeNode(let name, let mode): try makeNode(header, name, mode)
        case .makeDirectory(let name, let mode): try makeDirectory(header, name, mode)
        case .remove(let name, let isDirectory):
            try HostFile.remove(name, from: try node(header), isDirectory: isDirectory)
        case .rename(let name, let directory, let newName, let flags):
            try rename(header, name, directory, newName, flags)
        case .link(let node, let name): try link(header, node, name)

        case .open(let flags, let clearsSetID): try open(header, flags, clearsSetID)
        case .create(let name, let flags, let mode, let clearsSetID):
            try create(header, name, flags, mode, clearsSetID)
        case .read(let place, let count): return try read(place, count, message)
        case .write(let place, let count, let appends, let clearsSetID):
            try write(place, count, appends, clearsSetID, message)
        case .release(let handle): nodes.removeIfForgotten(try files.remove(handle))
        case .synchronize(let handle, let dataOnly):
            try HostFile.synchronize(try files.file(handle).rawDescriptor, dataOnly: dataOnly)
        case .allocate(let place, let count, let mode): try allocate(place, count, mode)
        case .seek(let place, let forHole): try seek(place, forHole)
        case .copyRange(let source, let target, let count): try copy(from: source, to: target, count)

        case .openDirectory: try openDirectory(header)
        case .readDirectory(let place, let count, let withAttributes):
            try readDirectory(place, roomOf(message, atMost: count), withAttributes)

        case .fileSystemStatus: try fileSystemStatus(header)
        case .synchronizeFileSystem: try HostFile.synchronizeFileSystem(of: rootDirectory.rawValue)
        case .setExtendedAttribute(let name, let value, let flags):
            try setExtendedAttribute(header, name, value, flags)
        case .getExtendedAttribute(let name, let room): try getExtendedAttribute(header, name, room)
        case .listExtendedAttributes(let room): try listExtendedAttributes(header, room)
        case .removeExtendedAttribute(let name): try removeExtendedAttribute(header, name)
        }
        return 0
    }

    private mutating func negotiate(_ request: FuseRequest.Negotiation) throws(FileError) {
        guard request.minor >= FuseProtocol.leastMinor else { throw .notNegotiated }
        // A driver that begins anew knows nothing of what was before.
        reset()
        isNegotiated = true
        answer.append(answerTo: request)
    }

    /// A descriptor for what the request is about.
    mutating func node(_ header: FuseHeader) throws(FileError) -> Int32 {
        try nodes.descriptor(of: try nodes.node(header.node))
    }

    func roomOf(_ message: borrowing some FuseMessage & ~Copyable, atMost count: UInt32) -> UInt64 {
        min(UInt64(count), message.answerRoom - UInt64(FuseHeader.replySize))
    }
}
