import CLinux

/// Owns one mapping of host memory and unmaps it.
@safe package struct Mapping: ~Copyable {
    package let base: UnsafeMutableRawPointer
    /// Bytes.
    package let size: Int
    /// Bytes that the host gives and takes back at a time.
    let pageSize = GuestMemory.pageSize
    /// Whether it shows a file's pages, which unmapping alone does not free.
    let isShared: Bool

    /// Maps `size` bytes of private anonymous memory: zeroed, given by the host page by page as it is touched,
    /// and left out of core dumps.
    /// - Throws: `invalidSize`, `cannotMap`.
    package init(anonymous size: UInt64) throws(GuestMemoryError) {
        guard let length = Int(exactly: size), length > 0 else { throw .invalidSize(size) }
        var address: UnsafeMutableRawPointer?
        // SAFETY: a fresh mapping at an address of the kernel's choice; it aliases nothing.
        let result = unsafe caisson_map_anonymous(length, &address)
        guard result == 0, let address = unsafe address else { throw .cannotMap(size: size, errno: -result) }
        // SAFETY: advice about the mapping just made; failure only loses the advice.
        _ = unsafe madvise(address, length, MADV_DONTDUMP)
        unsafe base = address
        self.size = length
        isShared = false
    }

    /// Maps `size` bytes of `descriptor` from its start, shared with the kernel or another process.
    /// - Throws: `cannotMap`.
    package init(sharing descriptor: Int32, size: Int) throws(GuestMemoryError) {
        var address: UnsafeMutableRawPointer?
        // SAFETY: a fresh mapping at an address of the kernel's choice; it aliases nothing in this process.
        let result = unsafe caisson_map_shared(descriptor, size, &address)
        guard result == 0, let address = unsafe address else {
            throw .cannotMap(size: UInt64(size), errno: -result)
        }
        unsafe base = address
        self.size = size
        isShared = true
    }

    deinit {
        // SAFETY: `base` and `size` are what mmap returned, and nobody outlives the owner.
        _ = unsafe munmap(base, size)
    }
}
