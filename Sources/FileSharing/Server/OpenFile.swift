import HostResources

/// A file or directory that the guest has open.
final class OpenFile {
    let descriptor: OwnedFileDescriptor
    let node: Node
    /// Where a directory's next entries begin; nil where that is not where the descriptor is.
    var position: UInt64? = 0

    init(_ descriptor: consuming OwnedFileDescriptor, of node: Node) {
        self.descriptor = descriptor
        self.node = node
    }

    var rawDescriptor: Int32 { descriptor.rawValue }
}

/// What the guest has open, by the numbers that it was told. They are never given again.
struct OpenFileTable {
    private let limit: Int
    private var files: [UInt64: OpenFile] = [:]
    private var lastHandle: UInt64 = 0

    init(limit: Int) { self.limit = limit }

    var count: Int { files.count }

    /// - Throws: `ENFILE` where there are as many as can be.
    func checkRoom() throws(FileError) {
        guard files.count < limit else { throw .tooMany }
    }

    mutating func add(_ file: OpenFile) -> UInt64 {
        lastHandle += 1
        files[lastHandle] = file
        file.node.openCount += 1
        return lastHandle
    }

    func file(_ handle: UInt64) throws(FileError) -> OpenFile {
        guard let file = files[handle] else { throw .notOpen }
        return file
    }

    /// Closes a file, and returns its node.
    mutating func remove(_ handle: UInt64) throws(FileError) -> Node {
        guard let file = files.removeValue(forKey: handle) else { throw .notOpen }
        file.node.openCount -= 1
        return file.node
    }

    mutating func removeAll() { files = [:] }
}
