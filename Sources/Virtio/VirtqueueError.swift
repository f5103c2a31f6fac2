package import GuestMemory

/// What a driver did wrong with a split virtqueue (virtio 1.2, section 2.7). The queue serves no request after it.
package enum VirtqueueError: Error, Equatable, Sendable {
    /// One of the three areas that make up a queue.
    package enum Area: String, Equatable, Sendable {
        case descriptorTable = "descriptor table"
        case availableRing = "available ring"
        case usedRing = "used ring"
    }

    // What a queue's set-up or saved state can have wrong.

    /// The size is not a power of two from 1 to 32768 (2.7).
    case invalidSize(UInt16)
    /// An area is not aligned as 2.7 asks: 16, 2 and 4 bytes.
    case areaMisaligned(Area, address: GuestAddress, alignment: UInt64)
    /// An area is not wholly in guest RAM.
    case areaOutsideRAM(Area, address: GuestAddress, byteCount: UInt64)
    /// Two areas share bytes.
    case areasOverlap(Area, Area)
    /// A saved queue's positions do not belong to a queue without requests in flight.
    case inconsistentPositions(available: UInt16, used: UInt16)

    // What a driver can have wrong in the rings.

    /// The available index is further ahead than the queue has entries (2.7.6).
    case indexJump(from: UInt16, to: UInt16, size: UInt16)
    /// A chain starts at or goes on with a descriptor that the table does not have.
    case noSuchDescriptor(index: UInt16, count: UInt32, head: UInt16)
    /// A chain was made available whose head belongs to a request that is not completed.
    case headInFlight(UInt16)
    /// A chain shares a descriptor with a request that is not completed.
    case descriptorInFlight(index: UInt16, head: UInt16)
    /// A chain comes back to one of its own descriptors (2.7.5.2).
    case loop(index: UInt16, head: UInt16)
    /// A chain has more descriptors than the queue has entries (2.7.5.2, 2.7.5.3.1).
    case tooManyDescriptors(limit: UInt16, head: UInt16)
    /// A chain describes more than 2^32 bytes (2.7.5.2).
    case tooManyBytes(UInt64, head: UInt16)
    /// A buffer has no bytes.
    case emptyBuffer(index: UInt16, head: UInt16)
    /// A buffer is not wholly in guest RAM: it is in the hole for devices, past the end, or wraps past 2^64.
    case bufferOutsideRAM(address: GuestAddress, length: UInt32, head: UInt16)
    /// A buffer for the device to read comes after one for it to write (2.7.4.2).
    case readableAfterWritable(index: UInt16, head: UInt16)

    // What a driver can have wrong with indirect descriptors (2.7.5.3.1).

    /// The driver did not negotiate them.
    case indirectNotNegotiated(index: UInt16, head: UInt16)
    /// One has both flags, INDIRECT and NEXT.
    case indirectWithNext(index: UInt16, head: UInt16)
    /// An indirect table refers to another one.
    case nestedIndirect(index: UInt16, head: UInt16)
    /// An indirect table's length is not a multiple of 16 above 0.
    case invalidIndirectLength(UInt32, head: UInt16)
    /// An indirect table is not wholly in guest RAM.
    case indirectOutsideRAM(address: GuestAddress, length: UInt32, head: UInt16)
}

extension VirtqueueError: CustomStringConvertible {
    /// One line: what is wrong, with its numbers.
    package var description: String {
        switch self {
        case .invalidSize(let size): "the queue's size \(size) is not a power of two from 1 to 32768"
        case .areaMisaligned(let area, let address, let alignment):
            "the \(area.rawValue) at \(address) is not aligned to \(alignment) bytes"
        case .areaOutsideRAM(let area, let address, let count):
            "the \(area.rawValue), \(count) bytes at \(address), is not in RAM"
        case .areasOverlap(let first, let second): "the \(first.rawValue) and the \(second.rawValue) overlap"
        case .inconsistentPositions(let available, let used):
            "the saved queue took requests up to \(available) but completed them up to \(used)"
        case .indexJump(let from, let to, let size):
            "the available index went from \(from) to \(to), in a queue of \(size)"
        case .noSuchDescriptor(let index, let count, let head):
            "descriptor \(index) of the chain at \(head) is beyond the table's \(count)"
        case .headInFlight(let head): "the chain at \(head) is made available again before it is completed"
        case .descriptorInFlight(let index, let head):
            "descriptor \(index) of the chain at \(head) belongs to a request that is not completed"
        case .loop(let index, let head): "the chain at \(head) comes back to descriptor \(index)"
        case .tooManyDescriptors(let limit, let head): "the chain at \(head) has more than \(limit) descriptors"
        case .tooManyBytes(let count, let head): "the chain at \(head) has \(count) bytes, more than 2^32"
        case .emptyBuffer(let index, let head): "descriptor \(index) of the chain at \(head) has no bytes"
        case .bufferOutsideRAM(let address, let length, let head):
            "a buffer of the chain at \(head), \(length) bytes at \(address), \(Self.place(address, length))"
        case .readableAfterWritable(let index, let head):
            "descriptor \(index) of the chain at \(head) is readable and comes after a writable one"
        case .indirectNotNegotiated(let index, let head):
            "descriptor \(index) of the chain at \(head) is indirect, which the driver did not negotiate"
        case .indirectWithNext(let index, let head):
            "descriptor \(index) of the chain at \(head) is indirect and has a next one"
        case .nestedIndirect(let index, let head):
            "descriptor \(index) in the indirect table of the chain at \(head) is indirect itself"
        case .invalidIndirectLength(let length, let head):
            "the indirect table of the chain at \(head) has \(length) bytes, not a multiple of 16 above 0"
        case .indirectOutsideRAM(let address, let length, let head):
            "the indirect table of the chain at \(head), \(length) bytes at \(address), \(Self.place(address, length))"
        }
    }

    private static func place(_ address: GuestAddress, _ length: UInt32) -> String {
        address.advanced(by: UInt64(length)) == nil ? "wraps past 2^64" : "is not in RAM"
    }
}
