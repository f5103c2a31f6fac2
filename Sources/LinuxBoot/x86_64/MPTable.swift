/// Tells a guest without ACPI of its processors and interrupt lines (Intel MultiProcessor Specification 1.4,
/// chapter 4): a configuration table, and the floating pointer to it that guests look for.
struct MPTable {
    /// Local APIC ids are one byte; the highest is the broadcast, the one below it the IOAPIC's here.
    static let processorLimit = 254

    private static let headerSize = 44
    private static let localAPICVersion: UInt8 = 0x14
    private static let ioAPICVersion: UInt8 = 0x11
    private static let ioAPICPins: UInt8 = 24
    private static let isaBus: UInt8 = 0

    private enum EntryKind {
        static let processor: UInt8 = 0
        static let bus: UInt8 = 1
        static let ioAPIC: UInt8 = 2
        static let ioInterrupt: UInt8 = 3
        static let localInterrupt: UInt8 = 4
    }

    /// 4.3.4: interrupt types.
    private enum InterruptKind {
        static let vectored: UInt8 = 0
        static let nonMaskable: UInt8 = 1
        static let external: UInt8 = 3
    }

    /// The configuration table, as it lies in `BootLayout.mpTable`.
    let configuration: [UInt8]
    /// 4.1; found at the start of `BootLayout.endOfBaseMemory` and of `BootLayout.firmware`.
    let floatingPointer = MPTable.makeFloatingPointer()

    /// - Parameter processorCount: 1 to `processorLimit`; their APIC ids count from 0, the first boots.
    /// - Throws: `tooManyProcessors`.
    init(processorCount: Int) throws(BootError) {
        precondition(processorCount >= 1)
        guard processorCount <= Self.processorLimit else {
            throw BootError(nil, .tooManyProcessors(processorCount, limit: Self.processorLimit))
        }
        var entries: [UInt8] = []
        for id in 0..<processorCount { Self.appendProcessor(UInt8(id), to: &entries) }
        entries += [EntryKind.bus, Self.isaBus] + Array("ISA   ".utf8)
        let ioAPIC = UInt8(processorCount)
        entries += [EntryKind.ioAPIC, ioAPIC, Self.ioAPICVersion, 1]
        entries.append(field: BootLayout.ioAPIC)
        // Each line at the pin of its number, as KVM routes them by default, the timer's too. Line 2 is the cascade
        // of the second interrupt controller. Lines from 16 up are for devices that a guest is told of otherwise;
        // an ISA bus makes them edge-triggered.
        let lines = (0..<Self.ioAPICPins).filter { $0 != 2 }
        for line in lines {
            entries += [EntryKind.ioInterrupt, InterruptKind.vectored, 0, 0, Self.isaBus, line, ioAPIC, line]
        }
        // The first processor's LINT0 takes the old interrupt controllers, every LINT1 is NMI.
        entries += [EntryKind.localInterrupt, InterruptKind.external, 0, 0, Self.isaBus, 0, 0, 0]
        entries += [EntryKind.localInterrupt, InterruptKind.nonMaskable, 0, 0, Self.isaBus, 0, 0xff, 1]

        let count = processorCount + 2 + lines.count + 2
        configuration = Self.header(entries: entries, count: UInt16(count)) + entries
        precondition(configuration.count <= BootLayout.mpTable.count)
    }

    private static func makeFloatingPointer() -> [UInt8] {
        var pointer = Array("_MP_".utf8)
        pointer.append(field: UInt32(BootLayout.mpTable.start))
        pointer += [1, 4, 0, 0, 0, 0, 0, 0]  // length in 16 bytes, revision 1.4, checksum, features
        pointer[10] = checksum(of: pointer)
        return pointer
    }

    /// 4.2
    private static func header(entries: [UInt8], count: UInt16) -> [UInt8] {
        var header = Array("PCMP".utf8)
        header.append(field: UInt16(headerSize + entries.count))
        header += [4, 0]  // revision 1.4, checksum
        header += Array("CAISSON MICROVM     ".utf8)  // OEM id, 8 bytes, and product id, 12 bytes
        header.append(field: UInt32(0))
        header.append(field: UInt16(0))
        header.append(field: count)
        header.append(field: BootLayout.localAPIC)
        header.append(field: UInt32(0))
        header[7] = checksum(of: header + entries)
        return header
    }

    /// 4.3.1
    private static func appendProcessor(_ id: UInt8, to entries: inout [UInt8]) {
        let enabled: UInt8 = 1 << 0
        let boots: UInt8 = 1 << 1
        entries += [EntryKind.processor, id, localAPICVersion, id == 0 ? enabled | boots : enabled]
        entries.append(field: UInt32(0x600))  // signature: family 6
        entries.append(field: UInt32(1 << 0 | 1 << 9))  // features: FPU, APIC
        entries.append(field: UInt64(0))
    }

    /// The byte that makes the sum of all bytes 0.
    private static func checksum(of bytes: [UInt8]) -> UInt8 { 0 &- bytes.reduce(0, &+) }
}
