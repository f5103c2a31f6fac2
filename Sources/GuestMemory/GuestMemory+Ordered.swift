import CLinux

/// Ordered access to indices that the guest's drivers share with the host.
extension GuestMemory {
    /// Reads 16 bits; what the guest wrote before its release store of them is visible afterwards.
    /// - Throws: `notInRAM`, `misaligned` (2 bytes).
    @inlinable
    package func loadAcquire16(at address: GuestAddress) throws(GuestMemoryError) -> UInt16 {
        // SAFETY: in RAM and aligned, by `ordered`.
        unsafe caisson_load_acquire_16(try ordered(address, 2))
    }

    /// Reads 32 bits; what the guest wrote before its release store of them is visible afterwards.
    /// - Throws: `notInRAM`, `misaligned` (4 bytes).
    @inlinable
    package func loadAcquire32(at address: GuestAddress) throws(GuestMemoryError) -> UInt32 {
        // SAFETY: in RAM and aligned, by `ordered`.
        unsafe caisson_load_acquire_32(try ordered(address, 4))
    }

    /// Writes 16 bits; a guest that sees them (acquire) sees all that was written before.
    /// - Throws: `notInRAM`, `misaligned` (2 bytes).
    @inlinable
    package func storeRelease(_ value: UInt16, at address: GuestAddress) throws(GuestMemoryError) {
        // SAFETY: in RAM and aligned, by `ordered`.
        unsafe caisson_store_release_16(try ordered(address, 2), value)
    }

    /// Writes 32 bits; a guest that sees them (acquire) sees all that was written before.
    /// - Throws: `notInRAM`, `misaligned` (4 bytes).
    @inlinable
    package func storeRelease(_ value: UInt32, at address: GuestAddress) throws(GuestMemoryError) {
        // SAFETY: in RAM and aligned, by `ordered`.
        unsafe caisson_store_release_32(try ordered(address, 4), value)
    }

    // Regions start page-aligned in host and guest alike, so a guest address and its host address align alike.
    @inlinable
    func ordered(_ address: GuestAddress, _ size: Int) throws(GuestMemoryError) -> UnsafeMutableRawPointer {
        guard address.rawValue % UInt64(size) == 0 else { throw .misaligned(address: address, alignment: size) }
        return unsafe try hostPointer(address, UInt64(size))
    }
}
