/// The files of an OCI layout or of an archive for `docker load`, wherever they are.
protocol BlobFolder {
    /// For errors.
    var name: String { get }
    /// A file's bytes; nil if it is not there.
    func open(_ path: String) throws(ImageStoreError) -> (source: any ByteSource, count: UInt64)?
}

extension BlobFolder {
    /// A small file that must be there.
    func contents(of path: String, limit: Int = 16 << 20) throws(ImageStoreError) -> [UInt8] {
        guard let (source, count) = try open(path) else { throw .source(name, problem: "it has no file '\(path)'") }
        guard count <= UInt64(limit) else {
            throw .source(name, problem: "'\(path)' has \(count) bytes, too many to be sound")
        }
        return try source.contents(limit: limit)
    }
}

/// Files of an archive, which are in a spool.
struct ArchivedFolder: BlobFolder {
    let name: String
    let tree: FileTree
    let spool: Spool

    func open(_ path: String) throws(ImageStoreError) -> (source: any ByteSource, count: UInt64)? {
        let inode: FileTree.Inode?
        do {
            inode = try tree.lookUp(EntryPath(parsing: path.utf8), followingLast: true)
        } catch {
            throw .source(name, problem: "\(error)")
        }
        guard let inode, case .regular(let extent) = tree[inode].kind else { return nil }
        return (DescriptorSource(extent, of: spool.file, name: name), extent.count)
    }
}
