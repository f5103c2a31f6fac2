import GuestMemory

/// What the host takes a machine's memory from.
public enum MemoryBackingMode: String, Sendable, CaseIterable {
    /// Private memory, given page by page as the guest touches it.
    case anonymous
    /// A file in memory: other processes can map it, and what the guest writes shows there. `/proc/PID/fd` lists it as
    /// `memfd:caisson-memory`.
    case shared
    /// Private memory, whose pages the host may merge with equal ones of other machines (KSM).
    case mergeable
    /// Huge pages of 2 MiB that the host has set aside (`vm.nr_hugepages`): the machine takes all its memory from the
    /// start on. `memorySize` is a multiple of 2 MiB.
    case hugePages = "hugepages"
    /// Private memory, in huge pages where the host has some.
    case transparentHugePages = "thp"

    var backing: MemoryBacking {
        switch self {
        case .anonymous: .anonymous
        case .shared: .shared
        case .mergeable: .mergeable
        case .hugePages: .hugePages
        case .transparentHugePages: .transparentHugePages
        }
    }

    /// Bytes that a machine's memory has to be a multiple of.
    package var pageSize: UInt64 { backing.pageSize }
}
