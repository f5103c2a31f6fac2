import CLinux

/// How a disk uses the host's page cache.
package enum DiskCache: String, CaseIterable, Sendable {
    /// Through the cache; a flush writes it out.
    case writeback
    /// Past the cache (O_DIRECT); a flush empties the device's own.
    case none
    /// Through the cache, and a flush does nothing: fast, and lost with the host.
    case unsafe
}

/// What a disk's data is in, with operations that wait. Any thread may call, several at once.
///
/// Offsets and lengths are inside of the disk. Each operation returns why it failed, or nil.
protocol DiskFile: AnyObject, Sendable {
    func read(_ segments: UnsafeBufferPointer<iovec>, at offset: UInt64) -> DiskFailure?
    func write(_ segments: UnsafeBufferPointer<iovec>, at offset: UInt64, isDurable: Bool) -> DiskFailure?
    func flush() -> DiskFailure?
    func discard(at offset: UInt64, byteCount: UInt64) -> DiskFailure?
    func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool) -> DiskFailure?
}
