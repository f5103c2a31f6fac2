package import GuestMemory

/// The guest's physical memory map, as the BIOS call E820h reports it.
package struct MemoryMap: Equatable, Sendable {
    /// ACPI 6.5, 15.1: address range types.
    package enum Kind: UInt32, Sendable {
        case ram = 1
        case reserved = 2
    }

    package struct Entry: Equatable, Sendable {
        package let range: MemoryRange
        package let kind: Kind
    }

    /// In order of address; none overlap.
    package let entries: [Entry]

    /// The map of a machine with `memory`: RAM around the PC's legacy hole and the MMIO hole at 3 GiB. What is not
    /// in it is no RAM. Page 0 is left out, as every kernel would take it out again.
    /// - Precondition: at least `BootLayout.minimumMemory`.
    package init(of memory: GuestMemory) {
        precondition(memory.size >= BootLayout.minimumMemory)
        let low = MemoryRange(BootLayout.biosDataArea.end, upTo: BootLayout.legacyHole.start)
        var entries = [Entry(range: low, kind: .ram)]
        for region in memory.regions {
            let start = max(region.start.rawValue, BootLayout.legacyHole.end)
            if start < region.end.rawValue {
                entries.append(Entry(range: MemoryRange(start, upTo: region.end.rawValue), kind: .ram))
            }
        }
        self.entries = entries
    }
}
