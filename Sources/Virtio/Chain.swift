import CLinux
import GuestMemory

/// A chain's buffers, checked one after the other and collected: first those to read, then those to write.
@safe struct Chain {
    let head: UInt16
    /// The queue's size.
    private let limit: UInt16
    private(set) var segments: UnsafeMutablePointer<iovec>
    private(set) var readableCount = 0
    private(set) var writableCount = 0
    private(set) var readableBytes: UInt64 = 0
    private(set) var writableBytes: UInt64 = 0

    init(head: UInt16, limit: UInt16, store: borrowing SegmentStore) {
        self.head = head
        self.limit = limit
        unsafe segments = store.shortSegments(head: head)
    }

    /// Adds the buffer that `descriptor` says, which is number `index` in its table.
    /// - Throws: `tooManyDescriptors`, `emptyBuffer`, `readableAfterWritable`, `bufferOutsideRAM`, `tooManyBytes`.
    @inline(__always)
    mutating func append(
        _ descriptor: Descriptor, index: UInt16, memory: GuestMemory, store: inout SegmentStore
    ) throws(VirtqueueError) {
        let count = readableCount &+ writableCount
        guard count < Int(limit) else { throw .tooManyDescriptors(limit: limit, head: head) }
        guard descriptor.length > 0 else { throw .emptyBuffer(index: index, head: head) }
        if count == SegmentStore.shortCount {
            unsafe segments = store.takeBlock(copying: segments)
        }
        let length = UInt64(descriptor.length)
        // SAFETY: hostPointer checks all bytes of the buffer; there is room at `count`, which is below both limits.
        do {
            unsafe segments[count] = iovec(
                iov_base: try memory.hostPointer(descriptor.address, length), iov_len: Int(length))
        } catch {
            throw .bufferOutsideRAM(address: descriptor.address, length: descriptor.length, head: head)
        }
        // No sum wraps: at most 32768 buffers of less than 2^32 bytes.
        if descriptor.isWritable {
            writableCount &+= 1
            writableBytes &+= length
        } else {
            guard writableCount == 0 else { throw .readableAfterWritable(index: index, head: head) }
            readableCount &+= 1
            readableBytes &+= length
        }
        let total = readableBytes &+ writableBytes
        guard total <= 1 << 32 else { throw .tooManyBytes(total, head: head) }
    }

    /// Adds the buffers of the indirect table that `reference` says (2.7.5.3).
    /// - Throws: the errors of indirect tables, `noSuchDescriptor`, `loop`, and what `append` does.
    mutating func append(
        tableOf reference: Descriptor, memory: GuestMemory, store: inout SegmentStore
    ) throws(VirtqueueError) {
        let length = reference.length
        guard length > 0, length % Descriptor.byteCount == 0 else {
            throw .invalidIndirectLength(length, head: head)
        }
        let table: UnsafeMutableRawPointer
        // SAFETY: hostPointer checks the whole table.
        do { unsafe table = try memory.hostPointer(reference.address, UInt64(length)) } catch {
            throw .indirectOutsideRAM(address: reference.address, length: length, head: head)
        }
        let entryCount = length / Descriptor.byteCount
        var visited: UInt32 = 0
        var index: UInt16 = 0
        while true {
            guard index < entryCount else { throw .noSuchDescriptor(index: index, count: entryCount, head: head) }
            // A chain that took as many steps as the table has entries was at this one before.
            guard visited < entryCount else { throw .loop(index: index, head: head) }
            visited &+= 1
            // SAFETY: 16 bytes an entry, below the table's count. Each word is read once.
            let entry = unsafe table.advanced(by: 16 * Int(index))
            let descriptor = unsafe Descriptor(caisson_load_64(entry), caisson_load_64(entry.advanced(by: 8)))
            guard !descriptor.isIndirect else { throw .nestedIndirect(index: index, head: head) }
            try append(descriptor, index: index, memory: memory, store: &store)
            guard descriptor.hasNext else { return }
            index = descriptor.next
        }
    }
}
