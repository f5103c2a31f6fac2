import HostIO

extension FileTree {
    /// Lays a layer of changes upon this tree (OCI image specification 1.1, "Representing Changes").
    ///
    /// What it hides is what came before it, wherever in its archive it says so.
    mutating func apply(layer: [LayerEntry]) throws(FileTreeError) {
        var changes: [LayerEntry] = []
        for entry in layer {
            switch Whiteout(entry.path) {
            case nil: changes.append(entry)
            case .name(let path): try remove(path)
            case .children(let path): try removeChildren(of: path)
            case .ignored: break
            }
        }
        try apply(archive: changes)
    }

    /// Puts all entries of an archive in place: later ones win.
    mutating func apply(archive: [LayerEntry]) throws(FileTreeError) {
        for entry in archive { try add(entry) }
    }
}

/// What the name of a layer's entry says is gone.
private enum Whiteout {
    case name(EntryPath)
    /// All that is in a directory, which is called opaque.
    case children(EntryPath)
    /// A name that means something to the AUFS file system only.
    case ignored

    private static let prefix = Array(".wh.".utf8)

    init?(_ path: EntryPath) {
        guard let name = path.names.last, name.bytes.starts(with: Self.prefix) else { return nil }
        let rest = FileName(name.bytes.dropFirst(Self.prefix.count))
        switch rest {
        case FileName(".wh..opq"): self = .children(path.parent)
        case FileName(""), .current, .parent: self = .ignored
        default: self = rest.bytes.starts(with: Self.prefix) ? .ignored : .name(path.parent.appending(rest))
        }
    }
}
