import CLinux

/// Memory that a guest does not need for now. The guest may use it again at any time: it reads as zeros, and the host
/// gives memory for it when it is touched.
extension GuestMemory {
    /// Gives the whole pages of the host's, inside of `count` bytes at `address`, back to the host. What is not RAM is
    /// left out. A host that refuses keeps the pages as they are.
    /// - Returns: the bytes given back.
    @discardableResult
    package func giveBack(_ address: GuestAddress, count: UInt64) -> UInt64 {
        let end = address.advanced(by: count) ?? GuestAddress(.max)
        var done: UInt64 = 0
        for region in regions {
            let (from, to) = (max(address, region.start), min(end, region.end))
            guard from < to else { continue }
            let offset = region.hostOffset + (from.rawValue - region.start.rawValue)
            done += mapping.giveBack(offset, count: to.rawValue - from.rawValue)
        }
        return done
    }

    /// The same for `count` bytes at a host address that `hostPointer` gave.
    @discardableResult
    package func giveBack(host pointer: UnsafeMutableRawPointer, count: UInt64) -> UInt64 {
        // SAFETY: the addresses are only compared.
        let (start, place) = unsafe (UInt64(UInt(bitPattern: base)), UInt64(UInt(bitPattern: pointer)))
        guard place >= start, place - start <= size, count <= size - (place - start) else { return 0 }
        return mapping.giveBack(place - start, count: count)
    }
}

extension Mapping {
    /// Gives the whole pages inside of a range back to the host; the range lies inside of the mapping.
    /// - Returns: the bytes given back.
    func giveBack(_ offset: UInt64, count: UInt64) -> UInt64 {
        precondition(offset <= UInt64(size) && count <= UInt64(size) - offset)
        // Neither sum wraps: they are at most a page beyond the mapping's size.
        let first = (offset + pageSize - 1) / pageSize * pageSize
        let end = (offset + count) / pageSize * pageSize
        guard first < end else { return 0 }
        // SAFETY: whole pages inside of the mapping, in which nobody expects anything to stay.
        let result = unsafe madvise(base.advanced(by: Int(first)), Int(end - first), returnAdvice)
        return result == 0 ? end - first : 0
    }
}
