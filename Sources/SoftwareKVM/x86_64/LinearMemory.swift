import CLinux
package import GuestMemory

/// The guest's memory as its own instructions address it.
package struct LinearMemory: Sendable {
    package let memory: GuestMemory
    package let walk: PageWalk

    package init(_ memory: GuestMemory, _ walk: PageWalk) {
        self.memory = memory
        self.walk = walk
    }

    /// The host address of `count` bytes at `linear` that do not cross a page.
    package func pointer(
        _ linear: UInt64, count: Int, _ access: Access
    ) throws(TranslationError) -> UnsafeMutableRawPointer {
        let place = try walk.translate(linear, access, in: memory)
        do { return unsafe try memory.hostPointer(place, UInt64(count)) } catch { throw .notInRAM(place) }
    }

    /// Copies `count` bytes, at most 4096, at `linear` to `destination`: all of them, or on failure none.
    package func read(
        _ linear: UInt64, count: Int, _ access: Access = .read, into destination: UnsafeMutableRawPointer
    ) throws(TranslationError) {
        let pieces = unsafe try pieces(linear, count, access)
        // SAFETY: the pieces are RAM, checked, and hold `count` bytes together.
        unsafe caisson_copy(destination, pieces.first, pieces.firstCount)
        if let second = unsafe pieces.second {
            unsafe caisson_copy(destination + pieces.firstCount, second, count - pieces.firstCount)
        }
    }

    /// Copies `count` bytes, at most 4096, from `source` to `linear`: all of them, or on failure none.
    package func write(
        _ linear: UInt64, count: Int, _ access: Access = .write, from source: UnsafeRawPointer
    ) throws(TranslationError) {
        let pieces = unsafe try pieces(linear, count, access.union(.write))
        // SAFETY: the pieces are RAM, checked, and hold `count` bytes together.
        unsafe caisson_copy(pieces.first, source, pieces.firstCount)
        if let second = unsafe pieces.second {
            unsafe caisson_copy(second, source + pieces.firstCount, count - pieces.firstCount)
        }
    }

    package func load64(_ linear: UInt64, _ access: Access = .read) throws(TranslationError) -> UInt64 {
        var value: UInt64 = 0
        // SAFETY: `value` has 8 bytes.
        unsafe try read(linear, count: 8, access, into: &value)
        return value
    }

    package func store64(_ linear: UInt64, _ value: UInt64) throws(TranslationError) {
        var value = value
        // SAFETY: `value` has 8 bytes.
        unsafe try write(linear, count: 8, from: &value)
    }

    @unsafe private struct Pieces {
        let first: UnsafeMutableRawPointer
        let firstCount: Int
        let second: UnsafeMutableRawPointer?
    }

    /// Up to 4096 bytes lie on two pages at most. Both are translated before either is touched.
    private func pieces(_ linear: UInt64, _ count: Int, _ access: Access) throws(TranslationError) -> Pieces {
        precondition(count > 0 && count <= 4096)
        let toPageEnd = Int(4096 - linear & 4095)
        let firstCount = min(count, toPageEnd)
        let first = unsafe try pointer(linear, count: firstCount, access)
        guard firstCount < count else { return unsafe Pieces(first: first, firstCount: count, second: nil) }
        let second = unsafe try pointer(linear &+ UInt64(firstCount), count: count - firstCount, access)
        return unsafe Pieces(first: first, firstCount: firstCount, second: second)
    }
}
