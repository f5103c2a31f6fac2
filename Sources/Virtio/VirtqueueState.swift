package import GuestMemory

/// A queue as plain numbers: what a driver set up, and how far the device got. Nothing of it is checked before
/// `validate(in:)`.
package struct VirtqueueState: Codable, Equatable, Sendable {
    /// Entries: a power of two up to 32768.
    package var size: UInt16
    /// Where the descriptors are (2.7.5): 16 bytes each, aligned to 16.
    package var descriptorTable: GuestAddress
    /// Where the driver puts requests (2.7.6), aligned to 2 bytes. The register's name is "driver area".
    package var availableRing: GuestAddress
    /// Where the device puts completed requests (2.7.8), aligned to 4 bytes. The register's name is "device area".
    package var usedRing: GuestAddress
    /// VIRTIO_F_INDIRECT_DESC is negotiated.
    package var usesIndirectDescriptors: Bool
    /// VIRTIO_F_EVENT_IDX is negotiated.
    package var usesEventIndex: Bool
    /// The index of the next request to take from the available ring. It counts modulo 2^16, not modulo the size.
    package var nextAvailable: UInt16
    /// The index of the next entry to fill in the used ring. It counts modulo 2^16, not modulo the size.
    package var nextUsed: UInt16

    /// A queue as a driver sets it up; only a restored one has positions that are not 0.
    package init(
        size: UInt16, descriptorTable: GuestAddress, availableRing: GuestAddress, usedRing: GuestAddress,
        usesIndirectDescriptors: Bool = false, usesEventIndex: Bool = false,
        nextAvailable: UInt16 = 0, nextUsed: UInt16 = 0
    ) {
        self.size = size
        self.descriptorTable = descriptorTable
        self.availableRing = availableRing
        self.usedRing = usedRing
        self.usesIndirectDescriptors = usesIndirectDescriptors
        self.usesEventIndex = usesEventIndex
        self.nextAvailable = nextAvailable
        self.nextUsed = nextUsed
    }

    /// Checks size, alignment and place of the areas, and the positions.
    /// - Throws: `invalidSize`, `areaMisaligned`, `areaOutsideRAM`, `areasOverlap`, `inconsistentPositions`.
    package func validate(in memory: GuestMemory) throws(VirtqueueError) {
        guard Self.isValid(size: size) else { throw .invalidSize(size) }
        let areas = [
            (VirtqueueError.Area.descriptorTable, descriptorTable, byteCount(of: .descriptorTable), 16 as UInt64),
            (.availableRing, availableRing, byteCount(of: .availableRing), 2),
            (.usedRing, usedRing, byteCount(of: .usedRing), 4),
        ]
        for (area, address, count, alignment) in areas {
            guard address.rawValue % alignment == 0 else {
                throw .areaMisaligned(area, address: address, alignment: alignment)
            }
            guard memory.contains(address, count: count) else {
                throw .areaOutsideRAM(area, address: address, byteCount: count)
            }
        }
        for (first, second) in [(0, 1), (0, 2), (1, 2)] {
            let (one, other) = (areas[first], areas[second])
            // No sum wraps: both areas are in RAM.
            guard one.1.rawValue + one.2 <= other.1.rawValue || other.1.rawValue + other.2 <= one.1.rawValue else {
                throw .areasOverlap(one.0, other.0)
            }
        }
        guard nextAvailable == nextUsed else {
            throw .inconsistentPositions(available: nextAvailable, used: nextUsed)
        }
    }

    /// Whether a queue can have that many entries.
    package static func isValid(size: UInt16) -> Bool { size.nonzeroBitCount == 1 }

    /// Bytes of an area (2.7), with the event fields that both rings end with.
    func byteCount(of area: VirtqueueError.Area) -> UInt64 {
        switch area {
        case .descriptorTable: 16 * UInt64(size)
        case .availableRing: 6 + 2 * UInt64(size)
        case .usedRing: 6 + 8 * UInt64(size)
        }
    }
}
