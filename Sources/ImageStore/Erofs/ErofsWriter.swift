import HostIO

/// Writes a tree as an EROFS file system: its metadata first, then the files' blocks, both in the order of the tree's visits. The
/// same tree makes the same bytes.
struct ErofsWriter {
    /// An inode and where it goes.
    private struct Inode {
        var id: FileTree.Inode
        /// One of its names, for errors.
        var name: FileName
        var attributes: ErofsAttributes
        var directory: ErofsDirectory?
        var size: UInt64
        var layout = Erofs.Layout.plain
        var linkCount: UInt32 = 0
        /// Bytes from the image's beginning.
        var offset = 0
        /// The first of its blocks.
        var block: UInt32 = 0

        /// Bytes that are behind it.
        var tailCount: Int { layout == .inline ? Int(size % UInt64(Erofs.blockSize)) : 0 }
        /// Bytes in blocks.
        var blockBytes: UInt64 { size - UInt64(tailCount) }
    }

    private let tree: FileTree
    private let spool: Spool
    /// In the order in which they are in the image; the root's is the first.
    private var inodes: [Inode] = []
    private var indices: [FileTree.Inode: Int] = [:]
    private var blockCount: UInt64 = 0

    /// Finds a place for everything.
    /// - Throws: for what EROFS cannot hold.
    init(_ tree: FileTree, _ spool: Spool) throws(FileTreeError) {
        self.tree = tree
        self.spool = spool
        try collect()
        let end = placeInodes()
        try placeBlocks(after: end)
    }

    private mutating func collect() throws(FileTreeError) {
        let visits = try tree.visits()
        for visit in visits {
            if let index = indices[visit.inode] {
                inodes[index].linkCount += 1
                continue
            }
            let entry = tree[visit.inode]
            guard let attributes = ErofsAttributes(entry.attributes.extended) else {
                throw .tooManyAttributes(FileTree.path(of: visit, among: visits))
            }
            var inode = Inode(id: visit.inode, name: visit.name, attributes: attributes, size: 0, linkCount: 1)
            switch entry.kind {
            case .directory:
                let directory = ErofsDirectory(visit.inode, parent: visit.parent, in: tree)
                inode.directory = directory
                inode.size = UInt64(directory.size)
                // Its own dot, and the dots in the directories below.
                inode.linkCount = 2
                if let index = indices[visit.parent] { inodes[index].linkCount += 1 }
            case .regular(let extent): inode.size = extent.count
            case .symbolicLink(let target): inode.size = UInt64(target.count)
            case .characterDevice(let major, let minor), .blockDevice(let major, let minor):
                guard Erofs.device(major: major, minor: minor) != nil else {
                    throw .impossibleDevice(FileTree.path(of: visit, among: visits))
                }
            case .fifo: break
            }
            indices[visit.inode] = inodes.count
            inodes.append(inode)
        }
    }

    /// - Returns: where the metadata ends.
    private mutating func placeInodes() -> Int {
        var end = Erofs.superblockOffset + Erofs.superblockSize
        for index in inodes.indices {
            let count = Erofs.inodeSize + inodes[index].attributes.bytes.count
            let tail = Int(inodes[index].size % UInt64(Erofs.blockSize))
            let isInline = tail > 0 && count + tail <= Erofs.blockSize
            inodes[index].layout = isInline ? .inline : .plain
            let offset = Self.place(end, wholeBytes: isInline ? count + tail : Erofs.inodeSize)
            inodes[index].offset = offset
            end = offset + count + (isInline ? tail : 0)
        }
        return end
    }

    /// The first slot from `end` on whose first bytes are in one block.
    private static func place(_ end: Int, wholeBytes: Int) -> Int {
        let slot = (end + Erofs.slotSize - 1) / Erofs.slotSize * Erofs.slotSize
        let block = slot / Erofs.blockSize * Erofs.blockSize
        return slot + wholeBytes <= block + Erofs.blockSize ? slot : block + Erofs.blockSize
    }

    private mutating func placeBlocks(after end: Int) throws(FileTreeError) {
        func blocks(_ bytes: UInt64) -> UInt64 { (bytes + UInt64(Erofs.blockSize) - 1) / UInt64(Erofs.blockSize) }
        blockCount = blocks(UInt64(end))
        for index in inodes.indices where inodes[index].blockBytes > 0 {
            guard let block = UInt32(exactly: blockCount) else { throw .tooLarge }
            inodes[index].block = block
            blockCount += blocks(inodes[index].blockBytes)
        }
        guard blockCount < UInt64(UInt32.max) else { throw .tooLarge }
    }

    // MARK: Writing

    /// - Parameter advance: called with the counts of bytes written.
    func write(to file: UnnamedFile, advance: (UInt64) -> Void) throws(ImageStoreError) {
        var output = BufferedOutput(file)
        try output.write(superblock, at: Erofs.superblockOffset)
        for inode in inodes { try write(inode, &output) }
        try output.flush()
        for inode in inodes where inode.blockBytes > 0 {
            let offset = UInt64(inode.block) * UInt64(Erofs.blockSize)
            switch tree[inode.id].kind {
            case .regular(let extent):
                try file.copy(
                    from: spool.file.descriptor, named: "\(inode.name)",
                    Extent(offset: extent.offset, count: inode.blockBytes), to: offset, moved: advance)
            default:
                try file.write(Array(contents(of: inode).prefix(Int(inode.blockBytes))), at: offset)
            }
        }
        try file.setSize(blockCount * UInt64(Erofs.blockSize))
    }

    private var superblock: [UInt8] {
        var writer = ByteWriter()
        writer.append(Erofs.magic)
        writer.append(0 as UInt32)  // checksum: the image has a better one
        writer.append(0 as UInt32)  // compatible features
        writer.append(UInt8(Erofs.blockSize.trailingZeroBitCount))
        writer.append(0 as UInt8)  // extensions
        writer.append(UInt16(number(of: FileTree.root)))
        writer.append(UInt64(inodes.count))
        writer.append(0 as UInt64)  // time, of which inodes have their own
        writer.append(0 as UInt32)
        writer.append(UInt32(blockCount))
        writer.append(0 as UInt32)  // the block from which inodes are counted
        // No shared attributes, no identity and no name: the digest is both. No incompatible features.
        writer.pad(to: Erofs.superblockSize)
        return writer.bytes
    }

    private func number(of id: FileTree.Inode) -> UInt64 {
        indices[id].map { UInt64(inodes[$0].offset / Erofs.slotSize) } ?? 0
    }

    /// What is in a directory or symbolic link.
    private func contents(of inode: Inode) -> [UInt8] {
        if let directory = inode.directory { return directory.bytes(number: number(of:)) }
        if case .symbolicLink(let target) = tree[inode.id].kind { return target }
        return []
    }

    private func write(_ inode: Inode, _ output: inout BufferedOutput) throws(ImageStoreError) {
        let entry = tree[inode.id]
        var place = inode.block
        switch entry.kind {
        case .characterDevice(let major, let minor), .blockDevice(let major, let minor):
            place = Erofs.device(major: major, minor: minor) ?? 0
        default: break
        }
        var writer = ByteWriter()
        writer.append(1 | inode.layout.rawValue << 1)
        writer.append(inode.attributes.count)
        writer.append(Erofs.mode(of: entry))
        writer.append(0 as UInt16)
        writer.append(inode.size)
        writer.append(place)
        writer.append(UInt32(truncatingIfNeeded: number(of: inode.id)))
        writer.append(entry.attributes.user)
        writer.append(entry.attributes.group)
        writer.append(entry.attributes.modified.seconds)
        writer.append(entry.attributes.modified.nanoseconds)
        writer.append(inode.linkCount)
        writer.pad(to: Erofs.inodeSize)
        writer.append(inode.attributes.bytes)
        if inode.tailCount > 0 {
            if case .regular(let extent) = entry.kind {
                writer.append(
                    try spool.bytes(Extent(offset: extent.offset + inode.blockBytes, count: UInt64(inode.tailCount))))
            } else {
                writer.append(contents(of: inode).suffix(inode.tailCount))
            }
        }
        try output.write(writer.bytes, at: inode.offset)
    }
}
