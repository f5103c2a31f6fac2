package import CLinux

/// A chain of buffers that a driver made available: checked whole, and the device's own until it is completed.
///
/// Completing consumes it, so it cannot be touched afterwards. One that is dropped instead stays in flight until the
/// queue ends; a device does so only when its driver resets it.
///
/// The buffers are guest RAM, which the driver may change at any time: what is read from them is a copy, to be checked
/// after copying.
@safe package struct VirtqueueRequest: ~Copyable {
    /// The first descriptor's number; no two requests in flight have the same.
    package let head: UInt16
    let segments: UnsafeMutablePointer<iovec>
    /// The number of segments to read, which come first.
    package let readableCount: Int
    /// The number of segments to write.
    package let writableCount: Int
    /// Bytes in the segments to read. With `writableBytes` at most 2^32.
    package let readableBytes: UInt64
    /// Bytes in the segments to write.
    package let writableBytes: UInt64

    init(_ chain: Chain) {
        head = chain.head
        unsafe segments = unsafe chain.segments
        readableCount = chain.readableCount
        writableCount = chain.writableCount
        readableBytes = chain.readableBytes
        writableBytes = chain.writableBytes
    }

    init(_ record: ParkedRequests.Record, head: UInt16, segments: UnsafeMutablePointer<iovec>) {
        self.head = head
        unsafe self.segments = unsafe segments
        readableCount = record.readableCount
        writableCount = record.writableCount
        readableBytes = record.readableBytes
        writableBytes = record.writableBytes
    }

    /// The segments to read, for the kernel: each a host address in guest RAM and a length above 0.
    ///
    /// Nothing may write there, and nothing may use the array or what it points to after the request is completed or
    /// its queue has ended.
    @unsafe package var readableSegments: UnsafeBufferPointer<iovec> {
        // SAFETY: the chain's collector filled that many.
        unsafe UnsafeBufferPointer(start: segments, count: readableCount)
    }

    /// The segments to write, for the kernel, as `readableSegments`.
    @unsafe package var writableSegments: UnsafeBufferPointer<iovec> {
        // SAFETY: the chain's collector filled that many, behind those to read.
        unsafe UnsafeBufferPointer(start: segments.advanced(by: readableCount), count: writableCount)
    }
}
