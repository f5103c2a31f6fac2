import GuestMemory

/// The initial ramdisk: the images one after the other, each at a multiple of 4 bytes, as Linux unpacks
/// concatenated archives (Documentation/driver-api/early-userspace/buffer-format.rst). Placed as high as it may lie, so that the
/// kernel has the memory above itself in one piece.
struct Ramdisk {
    /// Page-aligned at its start.
    let range: MemoryRange
    private let images: [any BootImage]

    private static let alignment: UInt64 = 4

    /// Finds the place for `images`.
    ///
    /// - Parameters:
    ///   - occupied: what the kernel takes, in order of address.
    ///   - limit: the first address that the ramdisk may not reach.
    /// - Returns: nil where there are no images.
    /// - Throws: `empty`, `ramdiskTooLarge`.
    init?(_ images: [any BootImage], occupied: [MemoryRange], limit: UInt64, memory: GuestMemory) throws(BootError) {
        guard !images.isEmpty else { return nil }
        var size: UInt64 = 0
        for image in images {
            guard image.size > 0 else { throw image.error(.empty) }
            guard let end = size.alignedUp(to: Self.alignment).flatMap({ MemoryRange(at: $0, count: image.size)?.end })
            else { throw images[0].error(.ramdiskTooLarge(size: .max, free: 0, memory: nil)) }
            size = end
        }
        let top = min(limit, memory.lowEnd)
        let free = MemoryRange(BootLayout.legacyHole.end, upTo: max(top, BootLayout.legacyHole.end))
        let kernelEnd = occupied.map(\.end).max() ?? free.start
        guard let range = free.highestGap(of: size, between: occupied) else {
            throw images[0].error(
                .ramdiskTooLarge(
                    size: size, free: free.largestGap(between: occupied),
                    memory: Self.sufficientMemory(size, after: kernelEnd, limit: limit)))
        }
        self.range = range
        self.images = images
    }

    func copy(to memory: GuestMemory) throws(BootError) {
        var end = range.start
        for image in images {
            // Inside `range`, whose size was made up the same way.
            let start = (end + Self.alignment - 1).alignedDown(to: Self.alignment)
            memory.clear(MemoryRange(end, upTo: start))
            try image.copy(
                from: 0, count: image.size, to: GuestAddress(start), in: memory, part: "the initial ramdisk")
            end = start + image.size
        }
    }

    /// The machine size, in whole MiB, in which the ramdisk fits above the kernel; nil where `limit` forbids it.
    private static func sufficientMemory(_ size: UInt64, after kernelEnd: UInt64, limit: UInt64) -> UInt64? {
        guard let start = kernelEnd.alignedUp(to: 4096), let end = MemoryRange(at: start, count: size)?.end,
            let whole = end.alignedUp(to: 4096), whole <= min(limit, GuestMemory.holeStart.rawValue)
        else { return nil }
        return whole.alignedUp(to: 1 << 20)
    }
}

extension MemoryRange {
    /// The parts of this range that `occupied` leaves, in order of address. `occupied` is in order too.
    private func gaps(between occupied: [MemoryRange]) -> [MemoryRange] {
        var gaps: [MemoryRange] = []
        var position = start
        for range in occupied where range.overlaps(self) {
            if range.start > position { gaps.append(MemoryRange(position, upTo: range.start)) }
            position = max(position, range.end)
        }
        if position < end { gaps.append(MemoryRange(position, upTo: end)) }
        return gaps
    }

    fileprivate func largestGap(between occupied: [MemoryRange]) -> UInt64 {
        gaps(between: occupied).map(\.count).max() ?? 0
    }

    /// The highest page-aligned place for `size` bytes.
    fileprivate func highestGap(of size: UInt64, between occupied: [MemoryRange]) -> MemoryRange? {
        for gap in gaps(between: occupied).reversed() where gap.count >= size {
            let start = (gap.end - size).alignedDown(to: 4096)
            if start >= gap.start { return MemoryRange(at: start, count: size) }
        }
        return nil
    }
}
