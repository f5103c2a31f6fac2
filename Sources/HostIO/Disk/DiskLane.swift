package import CLinux

/// One queue's operations on a disk: started, then submitted together, ended in any order. One thread at a time uses a
/// lane. Segments stay in place until their operation has ended.
package protocol DiskLane: AnyObject {
    func read(into segments: UnsafeBufferPointer<iovec>, byteCount: UInt64, at offset: UInt64, tag: UInt16)
    func write(
        _ segments: UnsafeBufferPointer<iovec>, byteCount: UInt64, at offset: UInt64, isDurable: Bool, tag: UInt16)
    func flush(tag: UInt16)
    func discard(at offset: UInt64, byteCount: UInt64, tag: UInt16)
    func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool, isDurable: Bool, tag: UInt16)
    func submit()
    /// One that has ended: its tag, and why it failed, if it did.
    func nextCompletion() -> (tag: UInt16, failure: DiskFailure?)?
    /// Waits until one that was submitted has ended.
    func wait()
}

/// A lane whose operations are over when they are started.
final class WaitingLane: DiskLane {
    private let file: any DiskFile
    private var ended: [(tag: UInt16, failure: DiskFailure?)] = []

    init(_ file: any DiskFile) { self.file = file }

    func read(into segments: UnsafeBufferPointer<iovec>, byteCount: UInt64, at offset: UInt64, tag: UInt16) {
        // SAFETY: handed on.
        ended.append((tag, unsafe file.read(segments, at: offset)))
    }

    func write(
        _ segments: UnsafeBufferPointer<iovec>, byteCount: UInt64, at offset: UInt64, isDurable: Bool, tag: UInt16
    ) {
        // SAFETY: handed on.
        ended.append((tag, unsafe file.write(segments, at: offset, isDurable: isDurable)))
    }

    func flush(tag: UInt16) { ended.append((tag, file.flush())) }

    func discard(at offset: UInt64, byteCount: UInt64, tag: UInt16) {
        ended.append((tag, file.discard(at: offset, byteCount: byteCount)))
    }

    func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool, isDurable: Bool, tag: UInt16) {
        let failure = file.writeZeroes(at: offset, byteCount: byteCount, mayDiscard: mayDiscard)
        ended.append((tag, failure ?? (isDurable ? file.flush() : nil)))
    }

    func submit() {}

    func nextCompletion() -> (tag: UInt16, failure: DiskFailure?)? { ended.popLast() }

    func wait() {}
}
