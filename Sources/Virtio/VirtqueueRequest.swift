import CLinux

/// A chain of buffers that a driver made available: checked whole, and the device's own until it is completed.
///
/// Completing consumes it, so it cannot be touched afterwards. One that is dropped instead stays in flight until the
/// queue ends; a device does so only when its driver resets it.
///
/// The buffers are guest RAM, which the driver may change at any time: what is read from them is a copy, to be checked
/// after copying.
@safe package struct VirtqueueRequest: ~Copyable {
    /// The first descriptor's number; no two requests in flight have the same.
    package let head: UInt16
    private(set) var parts: RequestSegments

    init(head: UInt16, _ parts: RequestSegments) {
        self.head = head
        self.parts = parts
    }

    /// The number of segments to read, which come first.
    package var readableCount: Int { parts.readableCount }
    /// The number of segments to write.
    package var writableCount: Int { parts.writableCount }
    /// Bytes in the segments to read. With `writableBytes` at most 2^32.
    package var readableBytes: UInt64 { parts.readableBytes }
    /// Bytes in the segments to write.
    package var writableBytes: UInt64 { parts.writableBytes }

    // MARK: Headers and status

    /// Leaves out the first `count` bytes of what there is to read, a header's for instance, as far as there are so many.
    package mutating func dropReadable(_ count: UInt64) { parts.dropReadable(count) }

    /// Sets the last byte to write apart, for `storeStatus`: many kinds of requests end with a status (5.2.6, 5.1.6.5).
    /// - Returns: false where there is no byte to write.
    package mutating func takeStatus() -> Bool { parts.takeStatus() }

    /// Writes the byte that `takeStatus` set apart.
    package func storeStatus(_ value: UInt8) {
        guard let status = unsafe parts.status else { preconditionFailure("no status was set apart") }
        // SAFETY: a byte of a segment, checked with it.
        unsafe caisson_store_8(status, value)
    }

    // MARK: Buffers for the kernel

    /// What there is to read. Nothing may write there.
    package var readableBuffers: GuestBuffers {
        // SAFETY: the part of the array that is still to be read.
        unsafe GuestBuffers(
            parts.start.advanced(by: parts.readableStart), count: readableCount, byteCount: readableBytes)
    }

    /// What there is to write.
    package var writableBuffers: GuestBuffers {
        // SAFETY: the part of the array behind those to read.
        unsafe GuestBuffers(
            parts.start.advanced(by: parts.writableStart), count: writableCount, byteCount: writableBytes)
    }
}
