/// Disjoint ranges of addresses in ascending order, and the device behind each.
struct AddressMap<Address: FixedWidthInteger & UnsignedInteger & Sendable, Device: Sendable>: Sendable {
    struct Entry: Sendable {
        let first: Address
        let last: Address
        let base: Address
        let device: Device
    }

    let entries: [Entry]

    /// - Throws: `overlap`, `baseAboveRange`.
    init(_ unsorted: [Entry]) throws(BusError) {
        let entries = unsorted.sorted { $0.first < $1.first }
        for (index, entry) in entries.enumerated() {
            guard entry.base <= entry.first else {
                throw .baseAboveRange(base: UInt64(entry.base), range: entry.range)
            }
            guard index == 0 || entries[index - 1].last < entry.first else {
                throw .overlap(first: entries[index - 1].range, second: entry.range)
            }
        }
        self.entries = entries
    }

    /// The index of the entry that holds all of the `width` bytes from `address`.
    @inline(__always)
    func index(of address: Address, width: Int) -> Int? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low &+ high) &>> 1
            if entries[middle].last < address { low = middle &+ 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].first <= address,
            entries[low].last &- address >= Address(truncatingIfNeeded: width &- 1)
        else { return nil }
        return low
    }
}

extension AddressMap.Entry {
    fileprivate var range: ClosedRange<UInt64> { UInt64(first)...UInt64(last) }
}
