import CLinux
import HostResources

/// All nodes of a share, and the descriptors of those that are used most.
struct NodeTable: ~Copyable {
    /// Directories from the share's own to a file. A chain that is longer is one that was moved about in a circle.
    private static let deepest = 4096

    private let limit: Int
    private var descriptorLimit: Int
    private var nodes: [UInt64: Node] = [:]
    private var byIdentity: [FileIdentity: Node] = [:]
    /// Numbers are never given again.
    private var lastID = Node.rootID
    /// Those with a descriptor, and where to look next for one to close.
    private var opened: [Node] = []
    private var hand = 0

    /// The share's own directory.
    let root: Node

    /// - Parameters:
    ///   - limit: nodes.
    ///   - descriptorLimit: descriptors that are kept beside those of open files.
    init(root descriptor: consuming OwnedFileDescriptor, limit: Int, descriptorLimit: Int) throws(FileError) {
        self.limit = limit
        self.descriptorLimit = descriptorLimit
        let status = try HostFile.status(of: descriptor.rawValue)
        root = Node(id: Node.rootID, identity: status.identity, parent: 0, name: nil)
        root.descriptor = consume descriptor
        add(root)
    }

    var count: Int { nodes.count }
    var descriptorCount: Int { opened.count }

    private mutating func add(_ node: Node) {
        nodes[node.id] = node
        byIdentity[node.identity] = node
        if node.descriptor != nil { noteOpened(node) }
    }

    /// - Throws: `ESTALE` for a number that the guest was not told, or forgot.
    func node(_ id: UInt64) throws(FileError) -> Node {
        guard let node = nodes[id] else { throw .stale }
        return node
    }

    func node(of identity: FileIdentity) -> Node? { byIdentity[identity] }

    /// The node of a file that was seen in `parent`, and that the guest will be told of.
    /// - Throws: `ENFILE`.
    mutating func look(at status: FileStatus, named name: FileName, in parent: Node) throws(FileError) -> Node {
        let identity = status.identity
        if let known = byIdentity[identity] {
            known.lookups = known.lookups &+ 1
            move(known, to: name, in: parent)
            return known
        }
        try checkRoom()
        lastID += 1
        let node = Node(id: lastID, identity: identity, parent: parent.id, name: name)
        node.lookups = 1
        add(node)
        return node
    }

    /// - Throws: `ENFILE` where there are as many as can be.
    func checkRoom() throws(FileError) {
        guard nodes.count < limit else { throw .tooMany }
    }

    /// The node was seen there.
    func move(_ node: Node, to name: FileName, in parent: Node) {
        guard !node.isRoot else { return }
        node.parent = parent.id
        node.name = name
    }

    mutating func forget(_ id: UInt64, count: UInt64) {
        guard let node = nodes[id] else { return }
        node.lookups -= min(count, node.lookups)
        removeIfForgotten(node)
    }

    mutating func removeIfForgotten(_ node: Node) {
        guard node.isForgotten else { return }
        close(node)
        nodes[node.id] = nil
        byIdentity[node.identity] = nil
    }

    /// Forgets all but the share's own directory.
    mutating func removeAll() {
        for node in opened where !node.isRoot { node.descriptor = nil }
        (nodes, byIdentity, opened, hand) = ([:], [:], [], 0)
        (root.openCount, root.lookups, root.version) = (0, 0, nil)
        add(root)
    }

    // MARK: Descriptors

    /// A descriptor that stands for the node, until the end of the request.
    /// - Throws: `ESTALE` where it is not any more where it was seen last; what the host says.
    mutating func descriptor(of node: Node) throws(FileError) -> Int32 {
        node.wasUsed = true
        if let raw = node.rawDescriptor { return raw }
        // Up to a directory that is open, and down again.
        var path = [node]
        var directory: Int32
        var top = node
        while true {
            guard let parent = nodes[top.parent], path.count < Self.deepest else { throw .stale }
            parent.wasUsed = true
            if let raw = parent.rawDescriptor {
                directory = raw
                break
            }
            path.append(parent)
            top = parent
        }
        for node in path.reversed() { directory = try open(node, in: directory) }
        return directory
    }

    private mutating func open(_ node: Node, in directory: Int32) throws(FileError) -> Int32 {
        guard let name = node.name else { throw .stale }
        do throws(FileError) {
            let descriptor = try HostFile.openNode(name, in: directory)
            guard try HostFile.status(of: descriptor.rawValue).identity == node.identity else { throw .stale }
            node.descriptor = consume descriptor
        } catch {
            switch error.number {
            // It is another file's name by now, or nobody's.
            case ENOENT, ENOTDIR, ELOOP: throw .stale
            case EMFILE, ENFILE:
                descriptorLimit = max(descriptorLimit / 2, 8)
                throw .tooMany
            default: throw error
            }
        }
        noteOpened(node)
        return node.rawDescriptor ?? -1
    }

    private mutating func noteOpened(_ node: Node) {
        node.place = opened.count
        opened.append(node)
    }

    private mutating func close(_ node: Node) {
        guard node.descriptor.take() != nil, let last = opened.popLast() else { return }
        guard last !== node else { return }
        opened[node.place] = last
        last.place = node.place
    }

    /// Closes what was not used for the longest time, as far as there are too many. Descriptors that a request got are not
    /// used afterwards.
    mutating func closeUnused() {
        // Twice around: first everything may be in use.
        var steps = 2 * opened.count
        while opened.count > descriptorLimit, steps > 0 {
            steps -= 1
            if hand >= opened.count { hand = 0 }
            let node = opened[hand]
            if node.wasUsed || node.openCount > 0 || node.isRoot {
                node.wasUsed = false
                hand += 1
            } else {
                close(node)
            }
        }
    }
}
