import CLinux

/// Parts of a request's buffers for the kernel: what lies behind a header, or as much as a message has.
extension VirtqueueRequest {
    /// Calls `body` with what there is to read from byte `offset` on: at most `count` bytes, and as far as there are
    /// so many. The buffers are valid inside of `body` only.
    package func withReadableBuffers<Result>(
        from offset: UInt64, atMost count: UInt64, _ body: (GuestBuffers) -> Result
    ) -> Result {
        // SAFETY: the request's own segments, of which there are as many as are counted.
        unsafe Self.withWindow(
            parts.start.advanced(by: parts.readableStart), readableCount, readableBytes, from: offset, atMost: count,
            body)
    }

    /// Calls `body` with what there is to write from byte `offset` on: at most `count` bytes, and as far as there is
    /// room. The buffers are valid inside of `body` only.
    package func withWritableBuffers<Result>(
        from offset: UInt64, atMost count: UInt64, _ body: (GuestBuffers) -> Result
    ) -> Result {
        // SAFETY: the request's own segments, of which there are as many as are counted.
        unsafe Self.withWindow(
            parts.start.advanced(by: parts.writableStart), writableCount, writableBytes, from: offset, atMost: count,
            body)
    }

    /// Cuts the first and the last segment of the window to it, for the time of the call.
    private static func withWindow<Result>(
        _ segments: UnsafeMutablePointer<iovec>, _ segmentCount: Int, _ byteCount: UInt64, from offset: UInt64,
        atMost limit: UInt64, _ body: (GuestBuffers) -> Result
    ) -> Result {
        let windowCount = min(limit, byteCount - min(offset, byteCount))
        guard windowCount > 0 else { return unsafe body(GuestBuffers(segments, count: 0, byteCount: 0)) }
        var first = 0
        var skip = Int(offset)
        // SAFETY: at least one byte is in the window, so the segments do not end before its first and last byte.
        while unsafe skip >= segments[first].iov_len {
            unsafe skip -= segments[first].iov_len
            first += 1
        }
        let wholeFirst = unsafe segments[first]
        unsafe segments[first].iov_base += skip
        unsafe segments[first].iov_len -= skip
        var last = first
        var left = Int(windowCount)
        while unsafe left > segments[last].iov_len {
            unsafe left -= segments[last].iov_len
            last += 1
        }
        let wholeLast = unsafe segments[last]
        unsafe segments[last].iov_len = left
        defer {
            unsafe segments[last] = wholeLast
            unsafe segments[first] = wholeFirst
        }
        return unsafe body(
            GuestBuffers(segments.advanced(by: first), count: last - first + 1, byteCount: windowCount))
    }
}
