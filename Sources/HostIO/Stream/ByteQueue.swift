import CLinux

/// A queue of bytes with a limit. Its storage grows as far as it was ever needed, at most to the limit.
struct ByteQueue: ~Copyable {
    let limit: Int
    private var storage: [UInt8]
    private var first = 0
    private(set) var count = 0

    /// - Parameters:
    ///   - limit: bytes, a power of two.
    ///   - capacity: bytes to make room for at once, a power of two.
    init(limit: Int, capacity: Int = 4096) {
        precondition(limit.nonzeroBitCount == 1 && capacity.nonzeroBitCount == 1 && capacity <= limit)
        self.limit = limit
        storage = [UInt8](repeating: 0, count: capacity)
    }

    var isEmpty: Bool { count == 0 }

    /// Appends what fits of the front of `bytes`, and returns how many bytes that is.
    mutating func append(_ bytes: Span<UInt8>) -> Int {
        let accepted = min(bytes.count, limit - count)
        if count + accepted > storage.count { grow(to: count + accepted) }
        let mask = storage.count - 1
        let start = first + count
        for index in 0..<accepted { storage[(start + index) & mask] = bytes[index] }
        count += accepted
        return accepted
    }

    /// Appends what lies behind the first `skipped` bytes of `segments`, memory that others may change meanwhile. It fits.
    mutating func append(_ segments: UnsafeBufferPointer<iovec>, from skipped: Int) {
        var skip = skipped
        for index in segments.indices {
            let length = unsafe segments[index].iov_len
            if skip < length, let start = unsafe segments[index].iov_base {
                unsafe append(start.advanced(by: skip), count: length - skip)
            }
            skip = max(0, skip - length)
        }
    }

    private mutating func append(_ start: UnsafeRawPointer, count added: Int) {
        precondition(added <= limit - count)
        if count + added > storage.count { grow(to: count + added) }
        let place = (first + count) & (storage.count - 1)
        let untilEnd = min(added, storage.count - place)
        unsafe storage.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            // SAFETY: the storage has room for both parts, and is the queue's own.
            unsafe caisson_copy(base.advanced(by: place), start, untilEnd)
            unsafe caisson_copy(base, start.advanced(by: untilEnd), added - untilEnd)
        }
        count += added
    }

    /// Hands the oldest bytes, as many as lie in one piece, up to `maximum`, to `body`, which returns how many of them
    /// it took.
    mutating func take(upTo maximum: Int, _ body: (Span<UInt8>) -> Int) -> Int {
        let offered = min(count, maximum, storage.count - first)
        let taken = body(storage.span.extracting(first..<first + offered))
        precondition(taken >= 0 && taken <= offered)
        count -= taken
        first = count == 0 ? 0 : (first + taken) & (storage.count - 1)
        return taken
    }

    mutating func removeAll() {
        first = 0
        count = 0
    }

    private mutating func grow(to needed: Int) {
        var capacity = storage.count
        while capacity < needed { capacity *= 2 }
        var larger = [UInt8](repeating: 0, count: capacity)
        for index in 0..<count { larger[index] = storage[(first + index) & (storage.count - 1)] }
        storage = larger
        first = 0
    }
}
