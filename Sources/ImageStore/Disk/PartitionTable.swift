/// The partitions of a disk, by a GUID partition table (UEFI 2.10, chapter 5) or an MBR's.
struct PartitionTable {
    struct Partition: Equatable {
        /// As Linux counts: from 1.
        var number: Int
        /// Bytes from the disk's beginning.
        var start: UInt64
        /// Whether the table says that it is an x86-64 Linux's root.
        var isRoot: Bool
    }

    var partitions: [Partition]

    /// "Linux root (x86-64)" of the Discoverable Partitions Specification, as its bytes lie on disk.
    private static let rootType: [UInt8] = [
        0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09,
    ]
    private static let mostEntries = 1024

    /// Nil where the disk has no table.
    init?(of disk: some DiskContents) throws(ImageStoreError) {
        for sectorSize: UInt64 in [512, 4096] {
            if let partitions = try Self.readGUIDTable(disk, sectorSize: sectorSize) {
                self.partitions = partitions
                return
            }
        }
        guard let partitions = try Self.readMBR(disk) else { return nil }
        self.partitions = partitions
    }

    private static func readGUIDTable(
        _ disk: some DiskContents, sectorSize: UInt64
    ) throws(ImageStoreError) -> [Partition]? {
        let header = try disk.bytes(92, at: sectorSize)
        guard header.starts(with: "EFI PART".utf8) else { return nil }
        let table = header.littleEndian(at: 72, UInt64.self)
        let count = Int(header.littleEndian(at: 80, UInt32.self))
        let entrySize = Int(header.littleEndian(at: 84, UInt32.self))
        let (offset, overflows) = table.multipliedReportingOverflow(by: sectorSize)
        guard (128...4096).contains(entrySize), count <= mostEntries, !overflows, offset < 1 << 62 else { return [] }
        var partitions: [Partition] = []
        for index in 0..<count {
            let entry = try disk.bytes(entrySize, at: offset + UInt64(index * entrySize))
            let type = entry[..<16]
            let first = entry.littleEndian(at: 32, UInt64.self).multipliedReportingOverflow(by: sectorSize)
            guard type.contains(where: { $0 != 0 }), !first.overflow else { continue }
            partitions.append(
                Partition(number: index + 1, start: first.partialValue, isRoot: type.elementsEqual(rootType)))
        }
        return partitions
    }

    /// Primary partitions; logical ones are for the guest to find.
    private static func readMBR(_ disk: some DiskContents) throws(ImageStoreError) -> [Partition]? {
        let sector = try disk.bytes(512, at: 0)
        guard sector[510] == 0x55, sector[511] == 0xaa else { return nil }
        var partitions: [Partition] = []
        for index in 0..<4 {
            let entry = Array(sector[(446 + 16 * index)...].prefix(16))
            let start = UInt64(entry.littleEndian(at: 8, UInt32.self)) * 512
            // Bit 7 of an entry's first byte alone may be set; what is no table has others.
            guard entry[0] & 0x7f == 0 else { return nil }
            if entry[4] != 0, start != 0 {
                partitions.append(Partition(number: index + 1, start: start, isRoot: false))
            }
        }
        return partitions.isEmpty ? nil : partitions
    }
}

extension Array<UInt8> {
    /// A number at an index, least significant byte first.
    func littleEndian<Number: FixedWidthInteger>(at index: Int, _: Number.Type) -> Number {
        (0..<MemoryLayout<Number>.size).reversed().reduce(0) { $0 << 8 | Number(self[index + $1]) }
    }
}
