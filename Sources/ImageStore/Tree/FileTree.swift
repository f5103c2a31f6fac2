import HostIO

/// The files of an image: what remains when its layers lie upon each other.
struct FileTree {
    typealias Inode = Int

    /// A directory or another file. Several names may lead to one that is no directory.
    private struct Node {
        var entry: FileEntry
        var children: [FileName: Inode] = [:]

        var isDirectory: Bool { entry.kind == .directory }
    }

    static let root: Inode = 0
    /// Linux's MAXSYMLINKS.
    private static let mostLinks = 40

    /// All that ever was; what no name leads to any more is not seen again.
    private var nodes = [Node(entry: FileEntry(kind: .directory))]

    subscript(_ inode: Inode) -> FileEntry { nodes[inode].entry }

    var isEmpty: Bool { nodes[Self.root].children.isEmpty }

    /// A directory's files, by name.
    func children(of directory: Inode) -> [(name: FileName, inode: Inode)] {
        nodes[directory].children.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Puts an entry where its path says. A directory keeps what it has; anything else makes way.
    ///
    /// Symbolic links on the way to it are followed as if this tree were all there is.
    mutating func add(_ entry: LayerEntry) throws(FileTreeError) {
        guard let name = entry.path.names.last else { return try setRoot(entry) }
        let parent = try makeDirectory(entry.path.parent)
        switch entry.content {
        case .hardLink(let path):
            guard let target = try lookUp(path, followingLast: false), !nodes[target].isDirectory else {
                throw .noLinkTarget(entry.path, target: path)
            }
            nodes[parent].children[name] = target
        case .file(let file):
            if file.kind == .directory, let existing = nodes[parent].children[name], nodes[existing].isDirectory {
                nodes[existing].entry = file
            } else {
                insert(file, name, in: parent)
            }
        }
    }

    private mutating func setRoot(_ entry: LayerEntry) throws(FileTreeError) {
        guard case .file(let file) = entry.content, file.kind == .directory else { throw .rootIsNoDirectory }
        nodes[Self.root].entry = file
    }

    @discardableResult
    private mutating func insert(_ entry: FileEntry, _ name: FileName, in directory: Inode) -> Inode {
        nodes.append(Node(entry: entry))
        nodes[directory].children[name] = nodes.count - 1
        return nodes.count - 1
    }

    /// Removes a name, with all that is below it. What is not there is gone already.
    mutating func remove(_ path: EntryPath) throws(FileTreeError) {
        guard let name = path.names.last, let parent = try lookUp(path.parent, followingLast: true) else { return }
        nodes[parent].children[name] = nil
    }

    /// Removes all that is in a directory.
    mutating func removeChildren(of path: EntryPath) throws(FileTreeError) {
        guard let directory = try lookUp(path, followingLast: true) else { return }
        nodes[directory].children = [:]
    }

    // MARK: Paths

    /// What a path leads to, inside of this tree; nil where there is nothing.
    func lookUp(_ path: EntryPath, followingLast: Bool) throws(FileTreeError) -> Inode? {
        var walk = Walk(path)
        while let name = walk.next() {
            guard nodes[walk.directory].isDirectory else { return nil }
            guard let child = nodes[walk.directory].children[name] else { return nil }
            try step(to: child, followingLinks: followingLast || !walk.isAtEnd, &walk)
        }
        return walk.directory
    }

    /// The directory at a path; makes those that are missing.
    private mutating func makeDirectory(_ path: EntryPath) throws(FileTreeError) -> Inode {
        var walk = Walk(path)
        while let name = walk.next() {
            guard nodes[walk.directory].isDirectory else { throw .notADirectory(path) }
            let child =
                nodes[walk.directory].children[name]
                ?? insert(FileEntry(kind: .directory), name, in: walk.directory)
            try step(to: child, followingLinks: true, &walk)
        }
        guard nodes[walk.directory].isDirectory else { throw .notADirectory(path) }
        return walk.directory
    }

    private func step(to child: Inode, followingLinks: Bool, _ walk: inout Walk) throws(FileTreeError) {
        guard followingLinks, case .symbolicLink(let target) = nodes[child].entry.kind else { return walk.enter(child) }
        guard walk.linkCount < Self.mostLinks else { throw .loop(walk.path) }
        walk.follow(target)
    }

    /// A path that is being followed.
    private struct Walk {
        let path: EntryPath
        /// The last name is the next one.
        private var pending: [FileName]
        /// From the root to where the walk is, for `..`.
        private var trail = [FileTree.root]
        private(set) var linkCount = 0

        init(_ path: EntryPath) {
            self.path = path
            pending = path.names.reversed()
        }

        var directory: Inode { trail.last ?? FileTree.root }
        var isAtEnd: Bool { pending.isEmpty }

        mutating func next() -> FileName? {
            while let name = pending.popLast() {
                guard name == .parent else { return name }
                // The root directory is its own parent.
                if trail.count > 1 { trail.removeLast() }
            }
            return nil
        }

        mutating func enter(_ inode: Inode) { trail.append(inode) }

        mutating func follow(_ target: [UInt8]) {
            linkCount += 1
            if target.first == UInt8(ascii: "/") { trail = [FileTree.root] }
            let names = target.split(separator: UInt8(ascii: "/")).map { FileName($0) }.filter { $0 != .current }
            pending += names.reversed()
        }
    }
}
