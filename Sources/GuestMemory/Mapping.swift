import CLinux
import Glibc

/// Owns one mapping of host memory and unmaps it.
@safe package struct Mapping: ~Copyable {
    package let base: UnsafeMutableRawPointer
    /// Bytes.
    package let size: Int
    /// Bytes that the host gives and takes back at a time.
    let pageSize: UInt64
    /// How memory goes back to the host.
    let returnAdvice: Int32
    /// Bytes behind the mapping that nobody can access.
    private let guardSize: Int
    /// The file of a shared backing, open as long as the mapping; -1 without one.
    private let file: Int32

    /// Maps `size` bytes of zeros, which are left out of core dumps.
    /// - Throws: `invalidSize`, `notWholePages`, `cannotMap`, `noHugePages`, `cannotBack`.
    package init(size: UInt64, backing: MemoryBacking) throws(GuestMemoryError) {
        guard let length = Int(exactly: size), length > 0 else { throw .invalidSize(size) }
        guard size % backing.pageSize == 0 else { throw .notWholePages(size: size, pageSize: backing.pageSize) }
        let (address, file) = unsafe try Self.map(length, backing)
        unsafe base = address
        self.size = length
        self.file = file
        pageSize = backing.pageSize
        guardSize = backing.guardSize
        // Unmapping alone does not free a file's pages.
        returnAdvice = backing == .shared ? MADV_REMOVE : MADV_DONTNEED
    }

    /// Maps `size` bytes of private memory, given by the host page by page as it is touched.
    /// - Throws: `invalidSize`, `cannotMap`.
    package init(anonymous size: UInt64) throws(GuestMemoryError) { try self.init(size: size, backing: .anonymous) }

    private static func map(
        _ length: Int, _ backing: MemoryBacking
    ) throws(GuestMemoryError) -> (UnsafeMutableRawPointer, file: Int32) {
        var address: UnsafeMutableRawPointer?
        var file: Int32 = -1
        var result: Int32
        // SAFETY: a fresh mapping at an address of the kernel's choice; it aliases nothing.
        switch backing {
        case .anonymous, .mergeable, .transparentHugePages:
            result = unsafe caisson_map_guarded(length, Int(backing.alignment), &address)
        case .hugePages:
            result = unsafe caisson_map_huge(length, &address)
            if result != 0 { throw .noHugePages(count: UInt64(length) / backing.pageSize, errno: -result) }
        case .shared:
            file = unsafe caisson_make_memory_file("caisson-memory", length)
            result = file < 0 ? file : unsafe caisson_map_shared(file, length, &address)
            if file >= 0, result != 0 { close(file) }
        }
        guard result == 0, let address = unsafe address else {
            throw .cannotMap(size: UInt64(length), errno: -result)
        }
        // SAFETY: advice about the mapping just made; failure only loses the advice.
        _ = unsafe madvise(address, length, MADV_DONTDUMP)
        let advice: Int32? =
            switch backing {
            case .mergeable: MADV_MERGEABLE
            case .transparentHugePages: MADV_HUGEPAGE
            case .anonymous, .shared, .hugePages: nil
            }
        // SAFETY: as above; without it the mapping, which has no file, ends here.
        if let advice, unsafe madvise(address, length, advice) != 0 {
            let error = errno
            _ = unsafe munmap(address, length + backing.guardSize)
            throw .cannotBack(backing, errno: error)
        }
        return unsafe (address, file)
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
        pageSize = GuestMemory.pageSize
        guardSize = 0
        returnAdvice = MADV_REMOVE
        file = -1
    }

    deinit {
        // SAFETY: `base` and `size` are what mmap returned, and nobody outlives the owner.
        _ = unsafe munmap(base, size + guardSize)
        if file >= 0 { close(file) }
    }
}
