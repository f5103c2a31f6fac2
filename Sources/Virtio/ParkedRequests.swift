/// Stands for a request that waits in its queue for the host to be done with it. A plain value: it may travel to
/// another thread, and it fits into the 64 bits that an asynchronous interface of the host's carries.
package struct ParkedRequest: Hashable, Sendable {
    /// The request's head, which is its name while it is in flight.
    package let head: UInt16

    /// - Parameter head: that of a request that was parked.
    package init(head: UInt16) { self.head = head }
}

/// What a queue keeps of its parked requests, by head.
struct ParkedRequests: ~Copyable {
    private var records: [RequestSegments?]

    init(size: UInt16) { records = [RequestSegments?](repeating: nil, count: Int(size)) }

    mutating func park(_ request: consuming VirtqueueRequest) -> ParkedRequest {
        let head = request.head
        records[Int(head)] = request.parts
        return ParkedRequest(head: head)
    }

    /// Gives a request out, once.
    mutating func unpark(_ parked: ParkedRequest) -> VirtqueueRequest? {
        guard parked.head < records.count, let parts = records[Int(parked.head)] else { return nil }
        records[Int(parked.head)] = nil
        return VirtqueueRequest(head: parked.head, parts)
    }
}
