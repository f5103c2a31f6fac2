import CLinux

/// What is left of an array of segments, for system calls that move less than was asked for.
@safe struct SegmentCursor: ~Copyable {
    private let segments: UnsafeMutableBufferPointer<iovec>
    private var index = 0

    /// A private copy of `segments`; what they point to is not copied.
    init(_ segments: UnsafeBufferPointer<iovec>) {
        // SAFETY: freed at the end.
        unsafe self.segments = .allocate(capacity: segments.count)
        _ = unsafe self.segments.initialize(from: segments)
    }

    deinit {
        // SAFETY: allocated here.
        unsafe segments.deallocate()
    }

    /// The segments left, valid until the cursor moves on or ends.
    @unsafe var rest: UnsafeBufferPointer<iovec> {
        // SAFETY: the index is at most the count.
        unsafe UnsafeBufferPointer(rebasing: segments[index...])
    }

    /// Bytes left.
    var byteCount: Int {
        // SAFETY: the segments left.
        unsafe rest.reduce(0) { unsafe $0 + $1.iov_len }
    }

    /// Leaves the next `count` bytes behind, at most as many as are left.
    mutating func advance(by count: Int) {
        var left = count
        while left > 0, unsafe index < segments.count {
            // SAFETY: below the count; a part of a segment is inside of it.
            let length = unsafe segments[index].iov_len
            if length <= left {
                left -= length
                index += 1
            } else {
                unsafe segments[index].iov_base += left
                unsafe segments[index].iov_len = length - left
                left = 0
            }
        }
    }

    /// The segments of the next `count` bytes, of which there are so many.
    @unsafe func prefix(_ count: Int) -> [iovec] {
        var parts = unsafe [iovec]()
        unsafe forEach(count) { place, _, length in unsafe parts.append(iovec(iov_base: place, iov_len: length)) }
        return unsafe parts
    }

    /// Copies the next `count` bytes to a buffer that has room for them.
    func copy(_ count: Int, to buffer: UnsafeMutableRawBufferPointer) {
        unsafe forEach(count) { place, done, length in
            // SAFETY: inside of both.
            if let start = buffer.baseAddress { unsafe caisson_copy(start + done, place, length) }
        }
    }

    /// Stores a buffer's first `count` bytes into the next.
    func copy(_ count: Int, from buffer: UnsafeMutableRawBufferPointer) {
        unsafe forEach(count) { place, done, length in
            // SAFETY: inside of both.
            if let start = buffer.baseAddress { unsafe caisson_copy(place, start + done, length) }
        }
    }

    private func forEach(_ count: Int, _ body: (UnsafeMutableRawPointer, Int, Int) -> Void) {
        var done = 0
        var index = index
        while done < count, unsafe index < segments.count {
            // SAFETY: below the count, and a segment's own bytes.
            let segment = unsafe segments[index]
            let length = unsafe min(segment.iov_len, count - done)
            if let place = unsafe segment.iov_base { unsafe body(place, done, length) }
            done += length
            index += 1
        }
    }
}
