import CLinux
import GuestMemory

/// The three areas of one queue, checked once: the only code that touches them.
///
/// The driver changes them meanwhile. So every value is read once, into a copy, and every slot's number is cut to the
/// queue's size here.
@safe struct VirtqueueRings {
    private let descriptors: UnsafeMutableRawPointer
    private let available: UnsafeMutableRawPointer
    private let used: UnsafeMutableRawPointer
    let size: UInt16

    /// - Throws: what `VirtqueueState.validate` does.
    init(_ state: VirtqueueState, in memory: GuestMemory) throws(VirtqueueError) {
        try state.validate(in: memory)
        size = state.size
        // SAFETY: the pointers are used while the queue lives, which keeps the memory; `validate` checked what the
        // queue's size makes of each area, and all below stays inside of that.
        unsafe descriptors = try Self.pointer(.descriptorTable, state.descriptorTable, state, memory)
        unsafe available = try Self.pointer(.availableRing, state.availableRing, state, memory)
        unsafe used = try Self.pointer(.usedRing, state.usedRing, state, memory)
    }

    private static func pointer(
        _ area: VirtqueueError.Area, _ address: GuestAddress, _ state: VirtqueueState, _ memory: GuestMemory
    ) throws(VirtqueueError) -> UnsafeMutableRawPointer {
        let count = state.byteCount(of: area)
        // SAFETY: hostPointer checks the whole area.
        do { return unsafe try memory.hostPointer(address, count) } catch {
            throw .areaOutsideRAM(area, address: address, byteCount: count)
        }
    }

    @inline(__always)
    private func slot(_ index: UInt16) -> Int { Int(index & (size &- 1)) }

    /// The descriptor at `index`, which is below the size.
    @inline(__always)
    func descriptor(_ index: UInt16) -> Descriptor {
        // SAFETY: 16 bytes a descriptor, at a slot below the size.
        let pointer = unsafe descriptors.advanced(by: 16 * slot(index))
        return unsafe Descriptor(caisson_load_64(pointer), caisson_load_64(pointer.advanced(by: 8)))
    }

    // The available ring (2.7.6): flags, index, a head for each entry, used_event.

    /// The driver's index. Pairs with the driver's write barrier before it stores the index: heads and descriptors up
    /// to it are visible afterwards.
    @inline(__always)
    func loadAvailableIndex() -> UInt16 {
        // SAFETY: aligned to 2 bytes, and 2 bytes at 2 are in every ring.
        unsafe caisson_load_acquire_16(available.advanced(by: 2))
    }

    @inline(__always)
    func availableHead(_ index: UInt16) -> UInt16 {
        // SAFETY: 2 bytes an entry, at a slot below the size.
        unsafe caisson_load_16(available.advanced(by: 4 + 2 * slot(index)))
    }

    /// VIRTQ_AVAIL_F_NO_INTERRUPT.
    func driverWantsNoInterrupts() -> Bool {
        // SAFETY: every ring begins with these 2 bytes.
        unsafe caisson_load_16(available) & 1 != 0
    }

    func usedEvent() -> UInt16 {
        // SAFETY: `validate` counted these 2 bytes behind the entries.
        unsafe caisson_load_16(available.advanced(by: 4 + 2 * Int(size)))
    }

    // The used ring (2.7.8): flags, index, an id and a length for each entry, avail_event.

    @inline(__always)
    func storeUsed(_ index: UInt16, head: UInt16, length: UInt32) {
        // SAFETY: 8 bytes an entry, at a slot below the size.
        unsafe caisson_store_64(used.advanced(by: 4 + 8 * slot(index)), UInt64(head) | UInt64(length) << 32)
    }

    /// Pairs with the driver's read barrier after it loads the index: entries and buffers are visible to it.
    func storeUsedIndex(_ index: UInt16) {
        // SAFETY: aligned to 2 bytes, and 2 bytes at 2 are in every ring.
        unsafe caisson_store_release_16(used.advanced(by: 2), index)
    }

    /// VIRTQ_USED_F_NO_NOTIFY.
    func storeDeviceWantsNoNotifications(_ wantsNone: Bool) {
        // SAFETY: every ring begins with these 2 bytes.
        unsafe caisson_store_16(used, wantsNone ? 1 : 0)
    }

    func storeAvailableEvent(_ index: UInt16) {
        // SAFETY: `validate` counted these 2 bytes behind the entries.
        unsafe caisson_store_16(used.advanced(by: 4 + 8 * Int(size)), index)
    }

    /// Orders an index stored before against what the other side stored, loaded after: without it both sides could
    /// miss each other (2.7.7.2, 2.7.10). Pairs with the driver's full barrier between its own store and load.
    func orderStoreBeforeLoad() { caisson_fence() }
}
