package import Virtio

/// Where a block device keeps its data, as the device sees it.
package protocol BlockStorage: AnyObject, Sendable {
    /// What there is to tell the guest; the same as long as the machine runs.
    var properties: BlockProperties { get }

    /// A way to the storage for one queue, whose operations go on beside those of other lanes.
    ///
    /// - Parameters:
    ///   - depth: the most operations at a time; their tags are below it.
    ///   - completed: called on the thread that serves the device when operations have ended, unless they did so
    ///     before `submit` returned; not from within any of the lane's calls.
    func makeLane(depth: UInt16, completed: @escaping @Sendable () -> Void) -> any BlockLane
}

/// What a storage is like.
package struct BlockProperties: Equatable, Sendable {
    /// Bytes, a multiple of `blockSize`.
    package var byteCount: UInt64
    package var isReadOnly = false
    /// The unit of reads and writes: a power of two from 512 to 4096.
    package var blockSize: UInt32 = 512
    /// What is written without reading around it first: a power of two from `blockSize` up.
    package var physicalBlockSize: UInt32 = 4096
    /// The unit of discarding: a power of two from `blockSize` up.
    package var discardGranularity: UInt32 = 4096
    /// Whether space can be given back.
    package var canDiscard = true

    package init(byteCount: UInt64) { self.byteCount = byteCount }
}

/// An operation that ended.
package struct BlockCompletion: Equatable, Sendable {
    package let tag: UInt16
    /// False for any failure, which the storage has told its user of.
    package let isSuccess: Bool

    package init(tag: UInt16, isSuccess: Bool) {
        self.tag = tag
        self.isSuccess = isSuccess
    }
}

/// One queue's way to a storage. One thread at a time uses it.
///
/// Operations are started, then submitted together; they end in any order. Offsets and lengths are checked: multiples of
/// the block size inside of the storage. Buffers stay in place until the operation has ended.
package protocol BlockLane: AnyObject {
    func read(into buffers: GuestBuffers, at offset: UInt64, tag: UInt16)
    /// - Parameter isDurable: whether the data has to be on stable storage when the operation ends.
    func write(_ buffers: GuestBuffers, at offset: UInt64, isDurable: Bool, tag: UInt16)
    /// Ends when all that was written, by operations that ended before, is on stable storage.
    func flush(tag: UInt16)
    /// The guest does not need what is there any more.
    func discard(at offset: UInt64, byteCount: UInt64, tag: UInt16)
    /// - Parameters:
    ///   - mayDiscard: whether the space may be given back.
    ///   - isDurable: as for `write`.
    func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool, isDurable: Bool, tag: UInt16)

    /// Hands over all that was started.
    func submit()
    /// One that has ended, if there is.
    func nextCompletion() -> BlockCompletion?
    /// Waits until an operation that was submitted has ended.
    func wait()
}
