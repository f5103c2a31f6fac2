import CLinux
package import GuestMemory

/// Copies between a request's buffers and the device's own memory, wherever the driver parts its buffers: a device may
/// not depend on that (2.7.4).
extension VirtqueueRequest {
    /// Copies from byte `offset` of what there is to read, until `destination` is full or nothing is left.
    /// - Returns: the bytes copied.
    package func read(at offset: UInt64, into destination: inout MutableSpan<UInt8>) -> Int {
        // SAFETY: a device's own memory, which is never guest RAM.
        unsafe destination.withUnsafeMutableBytes { unsafe read(at: offset, into: $0) }
    }

    private func read(at offset: UInt64, into bytes: UnsafeMutableRawBufferPointer) -> Int {
        // SAFETY: `copy` stays inside of both sides.
        unsafe readableBuffers.read(at: offset, into: bytes)
    }

    /// Copies `source` to byte `offset` of what there is to write, as far as there is room.
    /// - Returns: the bytes copied.
    package func write(_ source: Span<UInt8>, at offset: UInt64) -> Int {
        // SAFETY: `copy` stays inside of both sides, and a device's own memory is never guest RAM.
        unsafe source.withUnsafeBytes { bytes in
            unsafe writableBuffers.copy(from: offset, byteCount: bytes.count) { segment, done, count in
                if let start = bytes.baseAddress { unsafe caisson_copy(segment, start.advanced(by: done), count) }
            }
        }
    }

    /// The little-endian integer at byte `offset` of what there is to read; nil where its bytes are not all there.
    package func load<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self, at offset: UInt64
    ) -> Value? {
        var value: Value = 0
        // SAFETY: an integer's own bytes, any of which make an integer.
        let count = unsafe withUnsafeMutableBytes(of: &value) { unsafe read(at: offset, into: $0) }
        return count == MemoryLayout<Value>.size ? Value(littleEndian: value) : nil
    }

    /// Gives the whole pages of what there is to write back to the host (5.5.6.7): they read as zeros until somebody
    /// writes there again.
    package func giveBackPages(to memory: GuestMemory) {
        let segments = unsafe writableBuffers.segments
        for index in 0..<segments.count {
            // SAFETY: below the count; each is RAM of `memory`, which checks it again.
            if let start = unsafe segments[index].iov_base {
                unsafe memory.giveBack(host: start, count: UInt64(segments[index].iov_len))
            }
        }
    }
}

extension GuestBuffers {
    /// Copies from byte `offset` of the buffers, until `destination` is full or nothing is left.
    /// - Returns: the bytes copied.
    package func read(at offset: UInt64, into destination: inout MutableSpan<UInt8>) -> Int {
        // SAFETY: a device's own memory, which is never guest RAM.
        unsafe destination.withUnsafeMutableBytes { unsafe read(at: offset, into: $0) }
    }

    fileprivate func read(at offset: UInt64, into bytes: UnsafeMutableRawBufferPointer) -> Int {
        // SAFETY: `copy` stays inside of both sides.
        unsafe copy(from: offset, byteCount: bytes.count) { segment, done, count in
            if let start = bytes.baseAddress { unsafe caisson_copy(start.advanced(by: done), segment, count) }
        }
    }

    /// Calls `body` with a place in a segment, the bytes done before, and how many to copy there, until `byteCount`
    /// bytes are done or the segments end.
    fileprivate func copy(
        from offset: UInt64, byteCount: Int, _ body: (UnsafeMutableRawPointer, Int, Int) -> Void
    ) -> Int {
        // SAFETY: the request's own.
        let segments = unsafe segments
        var skip = offset
        var done = 0
        for index in 0..<segments.count where done < byteCount {
            // SAFETY: below the count. What is handed on stays inside of the segment.
            let segment = unsafe segments[index]
            let length = unsafe segment.iov_len
            guard skip < UInt64(length) else {
                skip -= UInt64(length)
                continue
            }
            guard let start = unsafe segment.iov_base else { break }
            let count = min(length - Int(skip), byteCount - done)
            unsafe body(start.advanced(by: Int(skip)), done, count)
            done += count
            skip = 0
        }
        return done
    }
}
