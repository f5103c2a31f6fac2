import CLinux
import HostResources

/// What is known of files beside their contents.
extension FileServer {
    mutating func getAttributes(_ header: FuseHeader, _ handle: UInt64?) throws(FileError) {
        let descriptor =
            if let handle { try files.file(handle).rawDescriptor } else { try node(header) }
        let status = try HostFile.status(of: descriptor)
        answer.append(attributesAnswer: status.attributes(root: rootDevice))
    }

    mutating func setAttributes(_ header: FuseHeader, _ changes: FuseRequest.Changes) throws(FileError) {
        let node = try node(header)
        if let size = changes.size {
            if let handle = changes.handle {
                try truncate(try files.file(handle).rawDescriptor, to: size, changes)
            } else {
                let file = try HostFile.open(node, O_WRONLY)
                try truncate(file.rawValue, to: size, changes)
            }
        }
        if changes.user != nil || changes.group != nil {
            try HostFile.changeOwner(of: node, user: changes.user, group: changes.group)
        }
        if let mode = changes.mode { try HostFile.changeMode(of: node, to: mode) }
        if changes.accessed != nil || changes.modified != nil {
            try HostFile.changeTimes(of: node, accessed: changes.accessed, modified: changes.modified)
        }
        try getAttributes(header, nil)
    }

    private func truncate(_ file: Int32, to size: UInt64, _ changes: FuseRequest.Changes) throws(FileError) {
        if changes.clearsSetID { try HostFile.clearSetID(of: file) }
        try HostFile.truncate(file, to: size)
    }

    /// `struct fuse_statfs_out`.
    mutating func fileSystemStatus(_ header: FuseHeader) throws(FileError) {
        let status = try HostFile.fileSystemStatus(of: try node(header))
        for count in [
            status.blocks, status.free_blocks, status.available_blocks, status.files, status.free_files,
        ] { answer.append(count) }
        for number in [status.block_size, status.name_length, status.fragment_size] { answer.append(number) }
        answer.append(zeros: 7 * 4)
    }

    // MARK: Extended attributes

    // A guest sees and sets those of users. The others tell the host's kernel whom to trust.
    private static let namespace = Array("user.".utf8)

    private static func isShared(_ name: some Collection<UInt8>) -> Bool {
        name.starts(with: namespace) && name.count > namespace.count
    }

    private static func checkName(_ name: [CChar]) throws(FileError) {
        guard isShared(name.dropLast().map { UInt8(bitPattern: $0) }) else { throw .notSupported }
    }

    mutating func getExtendedAttribute(_ header: FuseHeader, _ name: [CChar], _ room: UInt32) throws(FileError) {
        try Self.checkName(name)
        let node = try node(header)
        guard room > 0 else { return appendSize(try HostFile.attributeSize(name, of: node)) }
        answer.append(
            try HostFile.attribute(name, of: node, atMost: min(Int(room), FuseRequest.longestValue)))
    }

    mutating func listExtendedAttributes(_ header: FuseHeader, _ room: UInt32) throws(FileError) {
        let all = try HostFile.attributeNames(of: try node(header))
        let names = all.split(separator: 0).filter(Self.isShared).flatMap { $0 + [0] }
        guard room > 0 else { return appendSize(names.count) }
        guard names.count <= room else { throw FileError(ERANGE) }
        answer.append(names)
    }

    /// `struct fuse_getxattr_out`.
    private mutating func appendSize(_ size: Int) {
        answer.append(UInt32(size))
        answer.append(UInt32(0))
    }

    mutating func setExtendedAttribute(
        _ header: FuseHeader, _ name: [CChar], _ value: [UInt8], _ flags: UInt32
    ) throws(FileError) {
        try Self.checkName(name)
        try HostFile.setAttribute(name, of: try node(header), to: value, flags: flags)
    }

    mutating func removeExtendedAttribute(_ header: FuseHeader, _ name: [CChar]) throws(FileError) {
        try Self.checkName(name)
        try HostFile.removeAttribute(name, of: try node(header))
    }
}
