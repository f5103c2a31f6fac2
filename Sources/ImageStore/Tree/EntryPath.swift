import HostIO

/// Where an archive puts an entry, from the root directory down; that itself is without names.
struct EntryPath: Hashable, Sendable {
    var names: [FileName]

    /// Linux's PATH_MAX, without its NUL.
    static let longest = 4095

    init(_ names: [FileName] = []) { self.names = names }

    /// Reads a path of an archive. A leading slash and dots in between mean nothing.
    /// - Throws: `.climbs` for one with `..`, and for one that no Linux system can have.
    init(parsing bytes: some Sequence<UInt8>) throws(FileTreeError) {
        let bytes = Array(bytes)
        let names = bytes.split(separator: UInt8(ascii: "/")).map { FileName($0) }.filter { $0 != .current }
        let path = EntryPath(names)
        guard !names.contains(.parent) else { throw .climbs(path) }
        guard path.byteCount <= Self.longest, names.allSatisfy({ $0.bytes.count <= FileName.longest }),
            !bytes.contains(0)
        else { throw .impossible(path) }
        self = path
    }

    var byteCount: Int { names.reduce(0) { $0 + $1.bytes.count } + max(0, names.count - 1) }

    var parent: EntryPath { EntryPath(names.dropLast()) }

    func appending(_ name: FileName) -> EntryPath { EntryPath(names + [name]) }
}

extension EntryPath: CustomStringConvertible {
    var description: String {
        let text = names.map(\.description).joined(separator: "/")
        return text.count > 200 ? text.prefix(200) + "…" : "/" + text
    }
}
