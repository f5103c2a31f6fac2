import CLinux

/// Open directories.
extension FileServer {
    mutating func openDirectory(_ header: FuseHeader) throws(FileError) {
        let node = try nodes.node(header.node)
        try files.checkRoom()
        let descriptor = try HostFile.open(try nodes.descriptor(of: node), O_RDONLY | O_DIRECTORY)
        answer.append(openHandle: files.add(OpenFile(descriptor, of: node)), keepsCache: false)
    }

    /// Appends entries from a place on, as far as there is room.
    /// - Parameter withAttributes: each with what a look-up would tell (READDIRPLUS).
    mutating func readDirectory(
        _ place: FuseRequest.Place, _ room: UInt64, _ withAttributes: Bool
    ) throws(FileError) {
        let file = try files.file(place.handle)
        let room = Int(min(room, UInt64(Self.longestList)))
        if place.offset != file.position {
            file.position = nil
            guard place.offset <= UInt64(Int64.max) else { throw .invalid }
            _ = try HostFile.seek(file.rawDescriptor, from: place.offset, whence: SEEK_SET)
        }
        let head = withAttributes ? FileEntry.size : 0
        // About as many as fit; at least one of the longest.
        let count = max(withAttributes ? room / 5 : room, 512)
        let entries = try HostFile.entries(of: file.rawDescriptor, atMost: count)
        file.position = nil
        var last = place.offset
        for entry in entries {
            let size = head + DirectoryEntry.size(nameCount: entry.name.count)
            guard answer.count + size <= room else {
                // A guest without room for one entry would take it for the end.
                guard answer.count > 0 else { throw .invalid }
                return
            }
            append(entry, of: file, withAttributes)
            last = entry.next
        }
        // All of them: that is where the host's kernel is.
        file.position = last
    }

    private mutating func append(_ entry: DirectoryEntry, of file: OpenFile, _ withAttributes: Bool) {
        var inode = entry.inode
        let isDots = FileName.isDots(entry.name)
        // What is above the share is none of the guest's business.
        if isDots, file.node.isRoot { inode = file.node.identity.inode }
        if withAttributes {
            // Without attributes for what has gone meanwhile, and for names of directories that are known.
            if !isDots, let name = try? FileName(entry.name),
                let status = try? HostFile.status(of: name, in: file.rawDescriptor),
                let known = try? self.entry(status, name, in: file.node)
            {
                inode = known.attributes.inode
                answer.append(known)
            } else {
                answer.append(zeros: FileEntry.size)
            }
        }
        answer.append(entry, inode: inode)
    }
}
