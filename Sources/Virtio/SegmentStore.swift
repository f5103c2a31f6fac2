import CLinux

/// Memory for the segments of all requests in flight.
///
/// Each head has room for a few segments of its own. A longer chain gets a block with room for the longest, one of
/// those left by earlier requests if there is one: blocks come about as a driver has more long chains in flight than
/// ever before, at most one a head, and stay. So after a while nothing is allocated.
@safe struct SegmentStore: ~Copyable {
    /// A read or write of a disk block takes three or four: header, data, status.
    static var shortCount: Int { 8 }

    /// Room for one long chain.
    @safe private struct Block {
        let segments: UnsafeMutablePointer<iovec>
    }

    private let size: Int
    private let short: UnsafeMutablePointer<iovec>
    private var blocks: [Block] = []
    private var spare: [Block] = []

    /// - Parameter size: the queue's: the number of heads and the longest chain's segments.
    init(size: UInt16) {
        self.size = Int(size)
        unsafe short = .allocate(capacity: Int(size) * Self.shortCount)
    }

    deinit {
        // SAFETY: allocated here, and nothing of a request is used after its queue.
        unsafe short.deallocate()
        for block in blocks { unsafe block.segments.deallocate() }
    }

    /// Room for `shortCount` segments of the chain at `head`, which is below the size.
    @inline(__always)
    func shortSegments(head: UInt16) -> UnsafeMutablePointer<iovec> {
        // SAFETY: each head has its own part.
        unsafe short.advanced(by: Int(head) * Self.shortCount)
    }

    /// Room for as many segments as the queue has entries, beginning with a copy of `short`.
    mutating func takeBlock(copying short: UnsafeMutablePointer<iovec>) -> UnsafeMutablePointer<iovec> {
        let block = spare.popLast() ?? makeBlock()
        // SAFETY: both have room for that many, and are apart.
        unsafe block.segments.update(from: short, count: Self.shortCount)
        return unsafe block.segments
    }

    private mutating func makeBlock() -> Block {
        // SAFETY: freed at the end. No chain in a queue with fewer entries is too long for its head's own room.
        let block = unsafe Block(segments: .allocate(capacity: max(size, Self.shortCount)))
        blocks.append(block)
        spare.reserveCapacity(blocks.count)
        return block
    }

    /// Takes back the segments of a completed request.
    @inline(__always)
    mutating func giveBack(_ segments: UnsafeMutablePointer<iovec>, head: UInt16) {
        // SAFETY: only compares and keeps the pointer.
        if unsafe segments != shortSegments(head: head) { unsafe spare.append(Block(segments: segments)) }
    }

    /// Blocks made so far.
    var blockCount: Int { blocks.count }
}
