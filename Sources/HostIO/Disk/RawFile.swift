import CLinux
import HostResources
import SystemPackage

/// A raw image: a file or block device whose bytes are the disk's.
final class RawFile: DiskFile {
    private let file: OwnedFileDescriptor
    let cache: DiskCache

    init(_ file: consuming OwnedFileDescriptor, cache: DiskCache) {
        self.file = file
        self.cache = cache
    }

    var descriptor: Int32 { file.rawValue }

    // MARK: Reads and writes

    func read(_ segments: UnsafeBufferPointer<iovec>, at offset: UInt64) -> DiskFailure? {
        unsafe transfer(segments, at: offset, .read, isDurable: false)
    }

    func write(_ segments: UnsafeBufferPointer<iovec>, at offset: UInt64, isDurable: Bool) -> DiskFailure? {
        unsafe transfer(segments, at: offset, .write, isDurable: isDurable && cache != .unsafe)
    }

    /// Moves all that is left after `done` bytes.
    func transfer(
        _ segments: UnsafeBufferPointer<iovec>, at offset: UInt64, _ operation: DiskFailure.Operation, isDurable: Bool,
        after done: Int = 0
    ) -> DiskFailure? {
        var cursor = unsafe SegmentCursor(segments)
        cursor.advance(by: done)
        var position = offset + UInt64(done)
        while unsafe !cursor.rest.isEmpty {
            // SAFETY: the caller's segments, as the cursor has them.
            let result = unsafe call(cursor.rest, at: position, operation, isDurable)
            switch result {
            case -Int64(EINTR): continue
            case -Int64(EINVAL) where cache == .none:
                // Guest memory that is not aligned as the host's device wants it.
                return bounce(&cursor, at: position, operation, isDurable)
            case ..<0: return DiskFailure(operation, at: position, result: Int(result))
            case 0: return DiskFailure(operation, at: position, .endOfFile)
            default:
                cursor.advance(by: Int(result))
                position += UInt64(result)
            }
        }
        return nil
    }

    private func call(
        _ segments: UnsafeBufferPointer<iovec>, at offset: UInt64, _ operation: DiskFailure.Operation, _ isDurable: Bool
    ) -> Int64 {
        // IOV_MAX; what is behind it comes with the next call.
        let count = Int32(min(segments.count, 1024))
        // SAFETY: as many segments as there are.
        return operation == .read
            ? unsafe caisson_readv(descriptor, segments.baseAddress, count, offset)
            : unsafe caisson_writev(descriptor, segments.baseAddress, count, offset, isDurable ? 1 : 0)
    }

    private static let bounceSize = 1 << 20

    /// Moves the rest by way of aligned memory.
    private func bounce(
        _ cursor: inout SegmentCursor, at offset: UInt64, _ operation: DiskFailure.Operation, _ isDurable: Bool
    ) -> DiskFailure? {
        // SAFETY: freed at the end.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bounceSize, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var position = offset
        while true {
            let count = min(Self.bounceSize, cursor.byteCount)
            if count == 0 { return nil }
            if operation == .write { unsafe cursor.copy(count, to: buffer) }
            let result = unsafe withSegment(buffer, count) { unsafe call($0, at: position, operation, isDurable) }
            if result == -Int64(EINTR) { continue }
            guard result >= 0 else { return DiskFailure(operation, at: position, result: Int(result)) }
            guard result > 0 else { return DiskFailure(operation, at: position, .endOfFile) }
            if operation == .read { unsafe cursor.copy(Int(result), from: buffer) }
            cursor.advance(by: Int(result))
            position += UInt64(result)
        }
    }

    private func withSegment<Result>(
        _ buffer: UnsafeMutableRawBufferPointer, _ count: Int, _ body: (UnsafeBufferPointer<iovec>) -> Result
    ) -> Result {
        // SAFETY: one segment, whose bytes are the buffer's.
        unsafe withUnsafePointer(to: iovec(iov_base: buffer.baseAddress, iov_len: count)) { segment in
            unsafe body(UnsafeBufferPointer(start: segment, count: 1))
        }
    }

    // MARK: The rest

    func flush() -> DiskFailure? {
        guard cache != .unsafe else { return nil }
        return failure(.flush, 0, caisson_sync_data(descriptor))
    }

    func discard(at offset: UInt64, byteCount: UInt64) -> DiskFailure? {
        let result = caisson_punch_hole(descriptor, offset, byteCount)
        // It is a hint: where the host cannot, nothing happens.
        return result == -EOPNOTSUPP ? nil : failure(.discard, offset, result)
    }

    func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool) -> DiskFailure? {
        var result = mayDiscard ? caisson_punch_hole(descriptor, offset, byteCount) : -EOPNOTSUPP
        if result == -EOPNOTSUPP { result = caisson_zero_range(descriptor, offset, byteCount) }
        guard result == -EOPNOTSUPP else { return failure(.writeZeroes, offset, result) }
        return storeZeroes(at: offset, byteCount: byteCount)
    }

    private func storeZeroes(at offset: UInt64, byteCount: UInt64) -> DiskFailure? {
        let size = Int(min(byteCount, UInt64(Self.bounceSize)))
        // SAFETY: freed at the end.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
        var done: UInt64 = 0
        while done < byteCount {
            let count = min(UInt64(size), byteCount - done)
            let failure = unsafe withSegment(buffer, Int(count)) { segment in
                unsafe transfer(segment, at: offset + done, .write, isDurable: false)
            }
            if let failure { return failure }
            done += count
        }
        return nil
    }

    private func failure(_ operation: DiskFailure.Operation, _ offset: UInt64, _ result: Int32) -> DiskFailure? {
        result < 0 ? DiskFailure(operation, at: offset, result: Int(result)) : nil
    }
}
