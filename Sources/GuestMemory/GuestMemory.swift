/// A machine's RAM: one host mapping, seen by the guest as one region below the MMIO hole and one from 4 GiB up.
///
/// Every access is checked against the regions. The guest changes this memory while the host looks at it, so values
/// are copied out once and no reference to it is ever handed out as a Swift collection.
@safe package final class GuestMemory: @unchecked Sendable {
    /// A run of guest-physical addresses that is RAM.
    package struct Region: Equatable, Sendable {
        package let start: GuestAddress
        /// Bytes.
        package let size: UInt64
        /// Where the region starts in the host mapping, in bytes.
        @usableFromInline package let hostOffset: UInt64

        /// The first address past the region. Regions end below 2^64 by construction.
        package var end: GuestAddress { GuestAddress(start.rawValue + size) }
    }

    /// RAM stops here and goes on at `highStart`: the hole holds MMIO windows, IOAPIC and local APICs.
    package static let holeStart: GuestAddress = 0xc000_0000
    /// Where RAM goes on above the hole.
    package static let highStart: GuestAddress = 0x1_0000_0000
    package static let pageSize: UInt64 = 4096

    let mapping: Mapping
    @usableFromInline let base: UnsafeMutableRawPointer
    /// One or two regions, in order of address.
    package let regions: [Region]
    /// Bytes of RAM in all.
    package let size: UInt64

    /// Maps `size` bytes of guest RAM.
    ///
    /// - Parameters:
    ///   - size: bytes; a multiple of 4 KiB, and of the backing's pages, at most 2^46.
    ///   - backing: what the host takes the memory from.
    /// - Throws: `invalidSize`, `notWholePages`, or where the host refuses `cannotMap`, `noHugePages`, `cannotBack`.
    package init(size: UInt64, backing: MemoryBacking = .anonymous) throws(GuestMemoryError) {
        guard size > 0, size % Self.pageSize == 0, size <= 1 << 46 else { throw .invalidSize(size) }
        mapping = try Mapping(size: size, backing: backing)
        unsafe base = mapping.base
        self.size = size
        let low = min(size, Self.holeStart.rawValue)
        var regions = [Region(start: 0, size: low, hostOffset: 0)]
        if size > low {
            regions.append(Region(start: Self.highStart, size: size - low, hostOffset: low))
        }
        self.regions = regions
    }

    /// The host address of `count` bytes at `address`: the one place where guest addresses become pointers.
    ///
    /// The memory behind it changes under the guest's hands and lives as long as this object.
    /// - Throws: `notInRAM` unless the whole range lies in one region.
    @inlinable
    package func hostPointer(_ address: GuestAddress, _ count: UInt64) throws(GuestMemoryError)
        -> UnsafeMutableRawPointer
    {
        for region in regions where address >= region.start {
            let offset = address.rawValue - region.start.rawValue
            // Written so that neither side can wrap: `offset` is compared before it is subtracted.
            if offset <= region.size, count <= region.size - offset {
                // SAFETY: hostOffset + offset + count lies inside the mapping, by the checks above.
                return unsafe base.advanced(by: Int(region.hostOffset + offset))
            }
        }
        throw .notInRAM(address: address, count: count)
    }

    /// Where the memory lies in the process's address space.
    package var hostAddresses: Range<UInt> {
        // SAFETY: only the address is of interest.
        let start = unsafe UInt(bitPattern: base)
        return start..<start + UInt(size)
    }

    /// Whether `count` bytes at `address` are RAM of one region.
    package func contains(_ address: GuestAddress, count: UInt64) -> Bool {
        regions.contains { region in
            guard address >= region.start else { return false }
            let offset = address.rawValue - region.start.rawValue
            return offset <= region.size && count <= region.size - offset
        }
    }
}
