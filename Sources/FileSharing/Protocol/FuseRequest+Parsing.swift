import CLinux

extension FuseRequest {
    /// Bytes of `struct fuse_write_in`, behind which the data are.
    static let writeSize = 40
    /// XATTR_SIZE_MAX and XATTR_NAME_MAX.
    static let longestValue = 65536
    static let longestAttributeName = 255

    /// Takes apart what is behind a request's header; of a write, up to the data.
    init(_ operation: FuseOperation, _ header: FuseHeader, _ reader: inout MessageReader) throws(FileError) {
        switch operation {
        case .lookup: self = .lookup(try reader.name())
        case .forget: self = .forget([(header.node, try reader.number())])
        case .batchForget: self = .forget(try Self.batch(&reader))
        case .getAttributes:
            let flags: UInt32 = try reader.number()
            _ = try reader.number(UInt32.self)
            let handle: UInt64 = try reader.number()
            // FUSE_GETATTR_FH.
            self = .getAttributes(handle: flags & 1 != 0 ? handle : nil)
        case .setAttributes: self = .setAttributes(try Changes(&reader))
        case .readLink: self = .readLink
        case .makeSymbolicLink:
            let name = try reader.name()
            let target = try reader.text()
            guard (1..<Int(PATH_MAX)).contains(target.count) else { throw FileError(ENAMETOOLONG) }
            self = .makeSymbolicLink(name, target: FileName.terminated(target))
        case .makeNode:
            let mode: UInt32 = try reader.number()
            try reader.skip(12)
            self = .makeNode(try reader.name(), mode: mode)
        case .makeDirectory:
            let mode: UInt32 = try reader.number()
            try reader.skip(4)
            self = .makeDirectory(try reader.name(), mode: mode)
        case .unlink: self = .remove(try reader.name(), isDirectory: false)
        case .removeDirectory: self = .remove(try reader.name(), isDirectory: true)
        case .rename, .renameWithFlags:
            let directory: UInt64 = try reader.number()
            var flags: UInt32 = 0
            if operation == .renameWithFlags {
                flags = try reader.number()
                try reader.skip(4)
            }
            // RENAME_NOREPLACE or RENAME_EXCHANGE; a whiteout is a device.
            guard flags <= 2 else { throw .invalid }
            let name = try reader.name()
            self = .rename(name, toDirectory: directory, try reader.name(), flags: flags)
        case .link:
            let node: UInt64 = try reader.number()
            self = .link(node: node, try reader.name())
        case .open:
            let flags: UInt32 = try reader.number()
            self = .open(flags: flags, clearsSetID: try Self.openClearsSetID(&reader))
        case .create:
            let flags: UInt32 = try reader.number()
            let mode: UInt32 = try reader.number()
            try reader.skip(4)
            let clearsSetID = try Self.openClearsSetID(&reader)
            self = .create(try reader.name(), flags: flags, mode: mode, clearsSetID: clearsSetID)
        case .read:
            let place = try Place(&reader)
            self = .read(place, count: try reader.number())
            try reader.skip(20)
        case .write: self = try Self.write(&reader)
        case .fileSystemStatus: self = .fileSystemStatus
        case .release, .releaseDirectory:
            self = .release(handle: try reader.number())
            try reader.skip(16)
        case .synchronize, .synchronizeDirectory:
            let handle: UInt64 = try reader.number()
            // FUSE_FSYNC_FDATASYNC.
            self = .synchronize(handle: handle, dataOnly: try reader.number(UInt32.self) & 1 != 0)
        case .setExtendedAttribute:
            let size: UInt32 = try reader.number()
            let flags: UInt32 = try reader.number()
            let name = try Self.attributeName(&reader)
            guard size <= Self.longestValue else { throw FileError(E2BIG) }
            // XATTR_CREATE and XATTR_REPLACE.
            guard flags <= 2 else { throw .invalid }
            self = .setExtendedAttribute(name, value: Array(try reader.take(Int(size))), flags: flags)
        case .getExtendedAttribute:
            let room: UInt32 = try reader.number()
            try reader.skip(4)
            self = .getExtendedAttribute(try Self.attributeName(&reader), room: room)
        case .listExtendedAttributes: self = .listExtendedAttributes(room: try reader.number())
        case .removeExtendedAttribute: self = .removeExtendedAttribute(try Self.attributeName(&reader))
        case .initialize:
            guard try reader.number(UInt32.self) == FuseProtocol.major else { throw .notNegotiated }
            self = .initialize(
                Negotiation(
                    minor: try reader.number(), maximumReadAhead: try reader.number(), flags: try reader.number()))
        case .openDirectory:
            try reader.skip(8)
            self = .openDirectory
        case .readDirectory, .readDirectoryPlus:
            let place = try Place(handle: reader.number(), offset: reader.number())
            let count: UInt32 = try reader.number()
            self = .readDirectory(place, count: count, withAttributes: operation == .readDirectoryPlus)
        case .allocate:
            let place = try Place(&reader)
            let count: UInt64 = try reader.number()
            self = .allocate(place, count: count, mode: try reader.number())
        case .seek:
            let place = try Place(&reader)
            switch Int32(bitPattern: try reader.number(UInt32.self)) {
            case caisson_seek_data: self = .seek(place, forHole: false)
            case caisson_seek_hole: self = .seek(place, forHole: true)
            default: throw .invalid
            }
        case .copyRange:
            let source = try Place(&reader)
            // The file to write to is told by its handle.
            try reader.skip(8)
            let target = try Place(&reader)
            self = .copyRange(from: source, to: target, count: try reader.number())
        case .synchronizeFileSystem: self = .synchronizeFileSystem
        case .interrupt: self = .interrupt
        case .destroy: self = .destroy
        }
    }

    private static func batch(_ reader: inout MessageReader) throws(FileError) -> [(node: UInt64, count: UInt64)] {
        let count: UInt32 = try reader.number()
        try reader.skip(4)
        // As many as are there.
        var items: [(node: UInt64, count: UInt64)] = []
        while items.count < count, reader.count >= 16 { items.append((try reader.number(), try reader.number())) }
        return items
    }

    /// FUSE_OPEN_KILL_SUIDGID.
    private static func openClearsSetID(_ reader: inout MessageReader) throws(FileError) -> Bool {
        try reader.number(UInt32.self) & 1 != 0
    }

    private static func write(_ reader: inout MessageReader) throws(FileError) -> FuseRequest {
        let place = try Place(&reader)
        let count: UInt32 = try reader.number()
        let flags: UInt32 = try reader.number()
        try reader.skip(8)
        let openFlags: UInt32 = try reader.number()
        try reader.skip(4)
        return .write(
            // Not what comes from the guest's page cache (FUSE_WRITE_CACHE), which has its place.
            place, count: count, appends: openFlags & UInt32(bitPattern: O_APPEND) != 0 && flags & 1 == 0,
            // FUSE_WRITE_KILL_SUIDGID.
            clearsSetID: flags & 4 != 0)
    }

    private static func attributeName(_ reader: inout MessageReader) throws(FileError) -> [CChar] {
        let name = try reader.text()
        guard !name.isEmpty else { throw .invalid }
        guard name.count <= longestAttributeName else { throw FileError(ERANGE) }
        return FileName.terminated(name)
    }
}

extension FuseRequest.Place {
    init(_ reader: inout MessageReader) throws(FileError) {
        handle = try reader.number()
        offset = try reader.number()
        guard offset <= UInt64(Int64.max) else { throw .invalid }
    }
}

extension FuseRequest.Changes {
    /// `struct fuse_setattr_in`.
    init(_ reader: inout MessageReader) throws(FileError) {
        let valid: UInt32 = try reader.number()
        try reader.skip(4)
        // FATTR_… says which of the fields count.
        func has(_ bit: Int) -> Bool { valid & 1 << bit != 0 }
        let handle: UInt64 = try reader.number()
        if has(6) { self.handle = handle }
        let size: UInt64 = try reader.number()
        if has(3) { self.size = size }
        try reader.skip(8)
        let (accessed, modified): (UInt64, UInt64) = (try reader.number(), try reader.number())
        try reader.skip(8)
        let (accessedRest, modifiedRest): (UInt32, UInt32) = (try reader.number(), try reader.number())
        try reader.skip(4)
        let mode: UInt32 = try reader.number()
        if has(0) { self.mode = mode }
        try reader.skip(4)
        let (user, group): (UInt32, UInt32) = (try reader.number(), try reader.number())
        if has(1) { self.user = user }
        if has(2) { self.group = group }
        if has(4) { self.accessed = try Self.time(accessed, accessedRest, isNow: has(7)) }
        if has(5) { self.modified = try Self.time(modified, modifiedRest, isNow: has(8)) }
        clearsSetID = has(11)
    }

    private static func time(_ seconds: UInt64, _ nanoseconds: UInt32, isNow: Bool) throws(FileError) -> Time {
        if isNow { return .now }
        guard nanoseconds < 1_000_000_000 else { throw .invalid }
        return .at(.init(seconds: Int64(bitPattern: seconds), nanoseconds: nanoseconds))
    }
}
