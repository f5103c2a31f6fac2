import CLinux
import Virtio

/// The segments of several requests and of a device's own memory, for one system call. Its room is used again and again.
@safe struct SegmentArray: ~Copyable {
    /// The most segments that the kernel takes.
    private static let limit = 1024

    private let segments = UnsafeMutablePointer<iovec>.allocate(capacity: limit)
    private(set) var count = 0

    deinit {
        // SAFETY: allocated here.
        unsafe segments.deallocate()
    }

    /// All segments; they are the kernel's as long as the buffers are the device's.
    @unsafe var all: UnsafeBufferPointer<iovec> {
        // SAFETY: as many are set.
        unsafe UnsafeBufferPointer(start: segments, count: count)
    }

    mutating func removeAll() { count = 0 }

    /// Adds a segment, unless there are too many.
    mutating func append(_ segment: iovec) {
        guard count < Self.limit else { return }
        // SAFETY: below the limit.
        unsafe segments[count] = unsafe segment
        count += 1
    }

    mutating func append(_ buffers: GuestBuffers) {
        // SAFETY: copies what the request has; who calls sees to it that it lasts.
        unsafe buffers.segments.forEach { segment in unsafe append(segment) }
    }

    mutating func set(_ buffers: [GuestBuffers]) {
        removeAll()
        for buffer in buffers { append(buffer) }
    }
}
