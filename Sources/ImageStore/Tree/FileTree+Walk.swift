import HostIO

extension FileTree {
    /// A name, and what it leads to.
    struct Visit {
        var name: FileName
        var inode: Inode
        /// The directory that has the name; of the root directory, itself.
        var parent: Inode
    }

    /// The root directory, which has no name, and every name below it: all names of a directory together, in the order of
    /// their bytes, then what is in the directories among them. The order of the archives they came from leaves no trace.
    /// - Throws: `.impossible` for a path that is too long, which symbolic links in archives can make.
    func visits() throws(FileTreeError) -> [Visit] {
        var visits = [Visit(name: FileName(""), inode: Self.root, parent: Self.root)]
        // Directories, and the bytes of a path that leads into them.
        var pending = [(inode: Self.root, byteCount: 0)]
        while let (directory, byteCount) = pending.popLast() {
            let children = children(of: directory)
            for (name, inode) in children {
                guard byteCount + name.bytes.count <= EntryPath.longest else { throw .impossible(EntryPath([name])) }
                visits.append(Visit(name: name, inode: inode, parent: directory))
            }
            for (name, inode) in children.reversed() where self[inode].kind == .directory {
                pending.append((inode, byteCount + name.bytes.count + 1))
            }
        }
        return visits
    }

    /// Where a visit was, to tell of it.
    static func path(of visit: Visit, among visits: [Visit]) -> EntryPath {
        let directories = Dictionary(visits.map { ($0.inode, $0) }) { first, _ in first }
        var names: [FileName] = []
        var place: Visit? = visit
        while let current = place, current.inode != root {
            names.append(current.name)
            place = directories[current.parent]
        }
        return EntryPath(names.reversed())
    }
}
