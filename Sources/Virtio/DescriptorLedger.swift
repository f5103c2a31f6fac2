/// Which descriptors of the table belong to requests in flight, and to which: the chains as the device walked them,
/// whatever the driver writes into the table meanwhile.
struct DescriptorLedger {
    /// What the table of links says of a descriptor, unless it is the number of the next one (at most 32767).
    private enum Mark {
        static let free: UInt16 = 0xffff
        static let last: UInt16 = 0x8000
    }

    private var links: [UInt16]

    init(size: UInt16) { links = [UInt16](repeating: Mark.free, count: Int(size)) }

    /// Whether no request in flight has the descriptor `index`, which is below the size.
    @inline(__always)
    func isFree(_ index: UInt16) -> Bool { links[Int(index)] == Mark.free }

    /// Gives the free descriptor `index` to a chain, as its last so far; `previous` is the one before it.
    @inline(__always)
    mutating func claim(_ index: UInt16, after previous: UInt16?) {
        links[Int(index)] = Mark.last
        if let previous { links[Int(previous)] = index }
    }

    /// Frees all descriptors of the chain at `head`, which is in flight.
    @inline(__always)
    mutating func release(head: UInt16) {
        var index = head
        while true {
            let link = links[Int(index)]
            links[Int(index)] = Mark.free
            if link == Mark.last { return }
            index = link
        }
    }

    /// Whether the chain at `head` has the descriptor `index`. Both are below the size and in flight.
    func chain(at head: UInt16, has index: UInt16) -> Bool {
        var member = head
        while member != index {
            member = links[Int(member)]
            if member == Mark.last { return false }
        }
        return true
    }
}
