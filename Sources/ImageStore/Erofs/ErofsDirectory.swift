import HostIO

/// A directory's bytes: blocks that each begin with entries and go on with the names, all in the order of the names' bytes.
struct ErofsDirectory {
    struct Entry {
        var name: FileName
        var inode: FileTree.Inode
        var type: UInt8
    }

    private static let entrySize = 12

    private let entries: [Entry]
    /// How many entries each block has.
    private let counts: [Int]
    let size: Int

    /// - Parameter parent: the directory above, which for the root is itself.
    init(_ directory: FileTree.Inode, parent: FileTree.Inode, in tree: FileTree) {
        var entries = tree.children(of: directory).map {
            Entry(name: $0.name, inode: $0.inode, type: Erofs.type(of: tree[$0.inode].kind))
        }
        let type = Erofs.type(of: .directory)
        entries.append(Entry(name: .current, inode: directory, type: type))
        entries.append(Entry(name: .parent, inode: parent, type: type))
        entries.sort { $0.name < $1.name }

        var counts: [Int] = []
        var used = Erofs.blockSize
        for entry in entries {
            let count = Self.entrySize + entry.name.bytes.count
            if used + count > Erofs.blockSize {
                counts.append(0)
                used = 0
            }
            used += count
            counts[counts.count - 1] += 1
        }
        self.entries = entries
        self.counts = counts
        size = (counts.count - 1) * Erofs.blockSize + used
    }

    /// - Parameter number: each inode's number.
    func bytes(number: (FileTree.Inode) -> UInt64) -> [UInt8] {
        var writer = ByteWriter()
        var rest = entries[...]
        for (block, count) in counts.enumerated() {
            writer.pad(to: block * Erofs.blockSize)
            var nameOffset = count * Self.entrySize
            for entry in rest.prefix(count) {
                writer.append(number(entry.inode))
                writer.append(UInt16(nameOffset))
                writer.append(entry.type)
                writer.append(0 as UInt8)
                nameOffset += entry.name.bytes.count
            }
            for entry in rest.prefix(count) { writer.append(entry.name.bytes) }
            rest = rest.dropFirst(count)
        }
        return writer.bytes
    }
}
