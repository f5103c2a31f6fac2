import CLinux

/// What the host takes a guest's memory from.
package enum MemoryBacking: CaseIterable, Sendable {
    /// Private memory, given page by page as it is touched.
    case anonymous
    /// A file in memory, which other processes can map: `/proc/PID/fd` shows it as `memfd:caisson-memory`.
    case shared
    /// Private memory, whose pages the host merges with equal ones (KSM).
    case mergeable
    /// Huge pages that the host has set aside: all of the memory is taken from the start on.
    case hugePages
    /// Private memory, in huge pages where the host has some (THP).
    case transparentHugePages

    private static let hugePageSize: UInt64 = 2 << 20

    /// Bytes that a guest's memory has to be a multiple of.
    package var pageSize: UInt64 { self == .hugePages ? Self.hugePageSize : GuestMemory.pageSize }

    /// Bytes behind a mapping that nobody can access. Files and huge pages are apart from others by themselves.
    var guardSize: Int {
        switch self {
        case .anonymous, .mergeable, .transparentHugePages: Int(CAISSON_GUARD_SIZE)
        case .shared, .hugePages: 0
        }
    }

    /// What the mapping's address has to be a multiple of to make use of huge pages.
    var alignment: UInt64 { self == .transparentHugePages ? Self.hugePageSize : GuestMemory.pageSize }
}
