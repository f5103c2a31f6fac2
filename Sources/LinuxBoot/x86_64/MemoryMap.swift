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

    /// The map of a machine with `memory`: RAM around the PC's legacy hole and the MMIO hole at 3 GiB.
    /// - Precondition: at least `BootLayout.minimumMemory`.
    package init(of memory: GuestMemory) {
        precondition(memory.size >= BootLayout.minimumMemory)
        var entries = [
            Entry(range: MemoryRange(0, upTo: BootLayout.extendedBIOSData.start), kind: .ram),
            Entry(range: BootLayout.extendedBIOSData, kind: .reserved),
            Entry(range: BootLayout.firmware, kind: .reserved),
        ]
        for region in memory.regions {
            let start = max(region.start.rawValue, BootLayout.legacyHole.end)
            if start < region.end.rawValue {
                entries.append(Entry(range: MemoryRange(start, upTo: region.end.rawValue), kind: .ram))
            }
        }
        self.entries = entries
    }
}
