import GuestMemory

/// A private copy of one descriptor (2.7.5).
struct Descriptor {
    let address: GuestAddress
    let length: UInt32
    let flags: UInt16
    let next: UInt16

    static var byteCount: UInt32 { 16 }

    /// From a descriptor's two little-endian words.
    @inline(__always)
    init(_ first: UInt64, _ second: UInt64) {
        address = GuestAddress(first)
        length = UInt32(truncatingIfNeeded: second)
        flags = UInt16(truncatingIfNeeded: second >> 32)
        next = UInt16(truncatingIfNeeded: second >> 48)
    }

    // VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VIRTQ_DESC_F_INDIRECT. The other bits say nothing in a split queue.
    var hasNext: Bool { flags & 1 != 0 }
    var isWritable: Bool { flags & 2 != 0 }
    var isIndirect: Bool { flags & 4 != 0 }
}
