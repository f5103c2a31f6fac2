import CLinux

/// Names in directories.
extension FileServer {
    mutating func lookUp(_ name: FileName, in parent: Node) throws(FileError) -> FileEntry {
        let status = try HostFile.status(of: name, in: try nodes.descriptor(of: parent))
        return try entry(status, name, in: parent)
    }

    /// Tells the guest of a file that was seen.
    mutating func entry(_ status: FileStatus, _ name: FileName, in parent: Node) throws(FileError) -> FileEntry {
        let node = try nodes.look(at: status, named: name, in: parent)
        return FileEntry(node: node.id, generation: 0, attributes: status.attributes(root: rootDevice))
    }

    /// Has `body` make a file in the directory that the request is about, for the guest's user where this process may, and tells the
    /// guest of it.
    private mutating func make(
        _ header: FuseHeader, _ name: FileName, _ body: (Int32) throws(FileError) -> Void
    ) throws(FileError) {
        let parent = try nodes.node(header.node)
        try nodes.checkRoom()
        let directory = try nodes.descriptor(of: parent)
        try asUser(of: header) { () throws(FileError) in try body(directory) }
        answer.append(try lookUp(name, in: parent))
    }

    /// A file belongs to its maker from the first moment on: to give it away afterwards would mean to find it again by its name.
    func asUser<Result: ~Copyable>(
        of header: FuseHeader, _ body: () throws(FileError) -> Result
    ) throws(FileError) -> Result {
        guard ownUser == 0, header.user != ownUser || header.group != ownGroup else { return try body() }
        caisson_become_creator(header.user, header.group)
        defer { caisson_become_oneself() }
        return try body()
    }

    mutating func makeSymbolicLink(
        _ header: FuseHeader, _ name: FileName, _ target: [CChar]
    ) throws(FileError) {
        try make(header, name) { directory throws(FileError) in
            try HostFile.makeSymbolicLink(name, in: directory, target: target)
        }
    }

    mutating func makeNode(_ header: FuseHeader, _ name: FileName, _ mode: UInt32) throws(FileError) {
        try make(header, name) { directory throws(FileError) in
            try HostFile.makeNode(name, in: directory, mode: mode)
        }
    }

    mutating func makeDirectory(_ header: FuseHeader, _ name: FileName, _ mode: UInt32) throws(FileError) {
        try make(header, name) { directory throws(FileError) in
            try HostFile.makeDirectory(name, in: directory, mode: mode & 0o7777)
        }
    }

    mutating func link(_ header: FuseHeader, _ target: UInt64, _ name: FileName) throws(FileError) {
        let node = try nodes.descriptor(of: try nodes.node(target))
        let parent = try nodes.node(header.node)
        try HostFile.link(node, to: name, in: try nodes.descriptor(of: parent))
        answer.append(try lookUp(name, in: parent))
    }

    mutating func rename(
        _ header: FuseHeader, _ name: FileName, _ directory: UInt64, _ newName: FileName, _ flags: UInt32
    ) throws(FileError) {
        let (old, new) = (try nodes.node(header.node), try nodes.node(directory))
        let (from, to) = (try nodes.descriptor(of: old), try nodes.descriptor(of: new))
        try HostFile.rename(name, in: from, to: newName, in: to, flags: flags)
        noteMove(newName, in: new, to)
        // RENAME_EXCHANGE.
        if flags & 2 != 0 { noteMove(name, in: old, from) }
    }

    private func noteMove(_ name: FileName, in parent: Node, _ directory: Int32) {
        guard let status = try? HostFile.status(of: name, in: directory), let node = nodes.node(of: status.identity)
        else { return }
        nodes.move(node, to: name, in: parent)
    }
}
