package import CLinux

/// What a request knows of its buffers: host addresses in guest RAM.
@safe struct RequestSegments {
    let start: UnsafeMutablePointer<iovec>
    /// The first segment that is still to be read.
    private(set) var readableStart = 0
    private(set) var readableCount: Int
    let writableStart: Int
    private(set) var writableCount: Int
    private(set) var readableBytes: UInt64
    private(set) var writableBytes: UInt64
    /// The byte for the status, once it is set apart.
    private(set) var status: UnsafeMutableRawPointer?

    init(_ chain: Chain) {
        // SAFETY: the chain's array has as many segments as are counted.
        unsafe start = unsafe chain.segments
        readableCount = chain.readableCount
        writableStart = chain.readableCount
        writableCount = chain.writableCount
        readableBytes = chain.readableBytes
        writableBytes = chain.writableBytes
    }

    /// Bytes that may be written, those set apart included.
    var writableRoom: UInt64 {
        let hasStatus = unsafe status != nil
        return writableBytes + (hasStatus ? 1 : 0)
    }

    /// Leaves out the first `count` bytes to read, as far as there are so many.
    mutating func dropReadable(_ count: UInt64) {
        var left = Int(min(count, readableBytes))
        readableBytes -= UInt64(left)
        while left > 0 {
            // SAFETY: while bytes are left, there are segments that have them.
            let length = unsafe start[readableStart].iov_len
            if length <= left {
                left -= length
                readableStart += 1
                readableCount -= 1
            } else {
                unsafe start[readableStart].iov_base += left
                unsafe start[readableStart].iov_len = length - left
                left = 0
            }
        }
    }

    /// Sets the last byte to write apart; false where there is none.
    mutating func takeStatus() -> Bool {
        guard writableCount > 0 else { return false }
        let last = writableStart + writableCount - 1
        // SAFETY: the last segment, which has at least one byte.
        unsafe start[last].iov_len -= 1
        unsafe status = unsafe start[last].iov_base + start[last].iov_len
        if unsafe start[last].iov_len == 0 { writableCount -= 1 }
        writableBytes -= 1
        return true
    }
}

/// Buffers of a request in flight, for the kernel: host addresses in guest RAM, each with a length above 0.
@safe package struct GuestBuffers {
    private let start: UnsafeMutablePointer<iovec>
    private let count: Int
    /// Bytes in all of them.
    package let byteCount: UInt64

    init(_ start: UnsafeMutablePointer<iovec>, count: Int, byteCount: UInt64) {
        unsafe self.start = unsafe start
        self.count = count
        self.byteCount = byteCount
    }

    /// The buffers as system calls take them. Nothing may use them after their request is completed or its queue has
    /// ended, and nothing may write to those of the readable part.
    @unsafe package var segments: UnsafeBufferPointer<iovec> {
        // SAFETY: the request has that many.
        unsafe UnsafeBufferPointer(start: start, count: count)
    }
}
