import CLinux
import Synchronization

/// A disk whose writes go to a file that is thrown away: what was not written is read from the image.
final class Overlay: DiskFile {
    private static let sectorSize: UInt64 = 512

    private let image: RawFile
    private let scratch: RawFile
    private let written: Mutex<WrittenMap>

    /// - Parameters:
    ///   - image: only read.
    ///   - scratch: as long as the image.
    init(image: RawFile, scratch: RawFile, byteCount: UInt64) {
        self.image = image
        self.scratch = scratch
        written = Mutex(WrittenMap(sectorCount: byteCount / Self.sectorSize))
    }

    private func sectors(_ offset: UInt64, _ byteCount: UInt64) -> Range<UInt64> {
        offset / Self.sectorSize..<(offset + byteCount) / Self.sectorSize
    }

    func read(_ segments: UnsafeBufferPointer<iovec>, at offset: UInt64) -> DiskFailure? {
        var cursor = unsafe SegmentCursor(segments)
        var position = offset
        while cursor.byteCount > 0 {
            let range = sectors(position, UInt64(cursor.byteCount))
            let (isWritten, sectorCount) = written.withLock { $0.run(range) }
            let count = Int(sectorCount * Self.sectorSize)
            // SAFETY: a part of the caller's segments.
            let failure = unsafe cursor.prefix(count).withUnsafeBufferPointer { part in
                unsafe (isWritten ? scratch : image).read(part, at: position)
            }
            if let failure { return failure }
            cursor.advance(by: count)
            position += UInt64(count)
        }
        return nil
    }

    func write(_ segments: UnsafeBufferPointer<iovec>, at offset: UInt64, isDurable: Bool) -> DiskFailure? {
        // SAFETY: the caller's segments.
        let byteCount = unsafe segments.reduce(0) { unsafe $0 + UInt64($1.iov_len) }
        return unsafe finish(scratch.write(segments, at: offset, isDurable: false), offset, byteCount)
    }

    /// Nothing of it is meant to last.
    func flush() -> DiskFailure? { nil }

    func discard(at offset: UInt64, byteCount: UInt64) -> DiskFailure? {
        finish(scratch.discard(at: offset, byteCount: byteCount), offset, byteCount)
    }

    func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool) -> DiskFailure? {
        finish(
            scratch.writeZeroes(at: offset, byteCount: byteCount, mayDiscard: mayDiscard), offset, byteCount)
    }

    private func finish(_ failure: DiskFailure?, _ offset: UInt64, _ byteCount: UInt64) -> DiskFailure? {
        if failure == nil { written.withLock { $0.insert(sectors(offset, byteCount)) } }
        return failure
    }
}
