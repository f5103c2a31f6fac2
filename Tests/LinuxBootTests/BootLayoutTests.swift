import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct BootLayoutTests {
    static let inStructures: [(String, MemoryRange)] = [
        ("BIOS data area", BootLayout.biosDataArea),
        ("GDT", BootLayout.descriptorTable),
        ("start info", BootLayout.startInfo),
        ("zero page", BootLayout.zeroPage),
        ("page tables", BootLayout.pageTables),
        ("command line", BootLayout.commandLine),
        ("stack", BootLayout.stack),
    ]
    static let inLegacyHole: [(String, MemoryRange)] = [
        ("setup data", BootLayout.setupData),
        ("MP table", BootLayout.mpTable),
        ("end of base memory", BootLayout.endOfBaseMemory),
        ("host probe", BootLayout.hostProbe),
        ("ACPI tables", BootLayout.acpiTables),
        ("firmware", BootLayout.firmware),
    ]

    @Test func nothingOverlaps() {
        let all = Self.inStructures + Self.inLegacyHole
        for (index, one) in all.enumerated() {
            for other in all[(index + 1)...] {
                #expect(!one.1.overlaps(other.1), "\(one.0) and \(other.0)")
            }
        }
        #expect(!BootLayout.structures.overlaps(BootLayout.legacyHole))
    }

    @Test func everyPlaceLiesWhereNoKernelIsLoaded() {
        for (name, range) in Self.inStructures { #expect(BootLayout.structures.contains(range), "\(name)") }
        for (name, range) in Self.inLegacyHole { #expect(BootLayout.legacyHole.contains(range), "\(name)") }
        #expect(BootLayout.legacyHole.end == BootLayout.minimumMemory)
        #expect(BootLayout.biosDataArea.contains(BootLayout.warmResetFlag.rawValue))
    }

    @Test func theRestIsAligned() {
        for range in [BootLayout.zeroPage, BootLayout.pageTables, BootLayout.setupData, BootLayout.startInfo] {
            #expect(range.start % 4096 == 0)
        }
        #expect(BootLayout.stack.end % 16 == 0)
        #expect(BootLayout.mpTable.start % 16 == 0)
    }

    @Test(arguments: [1, 32, 3071, 3072, 3073, 8192] as [UInt64])
    func memoryMapIsSortedAndComplete(_ mebibytes: UInt64) throws {
        let memory = try GuestMemory(size: mebibytes << 20)
        let map = MemoryMap(of: memory)
        for (one, next) in zip(map.entries, map.entries.dropFirst()) { #expect(one.range.end <= next.range.start) }
        for entry in map.entries {
            #expect(entry.kind == .ram)
            #expect(memory.contains(GuestAddress(entry.range.start), count: entry.range.count))
            #expect(!entry.range.overlaps(BootLayout.legacyHole))
        }
        #expect(map.entries.reduce(0) { $0 + $1.range.count } == memory.size - 4096 - BootLayout.legacyHole.count)
    }

    @Test func rangesDoNotWrap() {
        #expect(MemoryRange(at: .max, count: 1) == nil)
        #expect(MemoryRange(at: .max - 1, count: 1)?.end == .max)
        #expect(!MemoryRange(5, upTo: 5).overlaps(MemoryRange(0, upTo: 10)))
        #expect(UInt64.max.alignedUp(to: 4096) == nil)
    }
}
