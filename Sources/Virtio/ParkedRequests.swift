import CLinux

/// Stands for a request that waits in its queue for the host to be done with it. A plain value: it may travel to
/// another thread, and it fits into the 64 bits that an asynchronous interface of the host's carries.
package struct ParkedRequest: Hashable, Sendable {
    /// The request's head, which is its name while it is in flight.
    package let head: UInt16

    /// - Parameter head: that of a request that was parked.
    package init(head: UInt16) { self.head = head }
}

/// What a queue keeps of its parked requests, by head.
@safe struct ParkedRequests: ~Copyable {
    @safe struct Record {
        var segments: UnsafeMutablePointer<iovec>?
        var readableCount = 0
        var writableCount = 0
        var readableBytes: UInt64 = 0
        var writableBytes: UInt64 = 0
    }

    private var records: [Record]

    init(size: UInt16) { records = [Record](repeating: Record(), count: Int(size)) }

    mutating func park(_ request: consuming VirtqueueRequest) -> ParkedRequest {
        // SAFETY: keeps the request's own pointer, whose segments stay until it is completed.
        records[Int(request.head)] = unsafe Record(
            segments: request.segments, readableCount: request.readableCount, writableCount: request.writableCount,
            readableBytes: request.readableBytes, writableBytes: request.writableBytes)
        return ParkedRequest(head: request.head)
    }

    mutating func unpark(_ parked: ParkedRequest) -> VirtqueueRequest? {
        guard parked.head < records.count else { return nil }
        let record = records[Int(parked.head)]
        // SAFETY: the pointer that `park` kept; it is given out once.
        guard let segments = unsafe record.segments else { return nil }
        unsafe records[Int(parked.head)].segments = nil
        return unsafe VirtqueueRequest(record, head: parked.head, segments: segments)
    }
}
