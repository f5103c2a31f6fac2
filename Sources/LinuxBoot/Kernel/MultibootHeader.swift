/// The header that makes a file a multiboot kernel (Multiboot Specification 0.6.96, 3.1).
struct MultibootHeader {
    /// Where a raw image goes: the fields that follow flag 16.
    struct AddressFields {
        let header: UInt32
        let load: UInt32
        let loadEnd: UInt32
        let bssEnd: UInt32
        let entry: UInt32
    }

    /// The header is in the first 8 KiB, at a multiple of 4.
    static let searchSize = 8192

    private static let magic: UInt32 = 0x1bad_b002
    private static let headerFieldsSize = 12
    private static let hasAddresses: UInt32 = 1 << 16
    /// Page-aligned modules, memory information, a video mode: the first two are always given, and a kernel looks
    /// whether it got the third.
    private static let knownRequirements: UInt32 = 0b111
    private static let requirements: UInt32 = 0xffff

    /// In the file.
    let offset: Int
    let flags: UInt32
    let addresses: AddressFields?

    /// Finds the header in the first bytes of a file.
    init?(in head: [UInt8]) {
        for offset in stride(from: 0, to: min(head.count, Self.searchSize) - Self.headerFieldsSize + 1, by: 4) {
            guard head[offset] == UInt8(truncatingIfNeeded: Self.magic),
                head.field(UInt32.self, at: offset) == Self.magic,
                let flags = head.field(UInt32.self, at: offset + 4),
                let checksum = head.field(UInt32.self, at: offset + 8),
                Self.magic &+ flags &+ checksum == 0
            else { continue }
            self.offset = offset
            self.flags = flags
            addresses = flags & Self.hasAddresses == 0 ? nil : AddressFields(in: head, at: offset)
            return
        }
        return nil
    }

    /// - Throws: `cannotBootBy`: the kernel requires what this loader does not know.
    func checkRequirements(of image: any BootImage) throws(BootError) {
        let unknown = flags & Self.requirements & ~Self.knownRequirements
        guard unknown == 0 else {
            let names = hexadecimal(UInt64(unknown))
            throw image.error(.cannotBootBy(.multiboot, reason: "it requires unknown features (flags \(names))"))
        }
    }
}

extension MultibootHeader.AddressFields {
    fileprivate init?(in head: [UInt8], at offset: Int) {
        guard let header = head.field(UInt32.self, at: offset + 12),
            let load = head.field(UInt32.self, at: offset + 16),
            let loadEnd = head.field(UInt32.self, at: offset + 20),
            let bssEnd = head.field(UInt32.self, at: offset + 24), let entry = head.field(UInt32.self, at: offset + 28)
        else { return nil }
        self.init(header: header, load: load, loadEnd: loadEnd, bssEnd: bssEnd, entry: entry)
    }
}

extension KernelPlan {
    /// A raw image that its multiboot header places in memory.
    /// - Throws: `cannotBootBy`, `invalidField`, `truncated`.
    static func multibootImage(_ image: any BootImage, _ header: MultibootHeader) throws(BootError) -> KernelPlan {
        try header.checkRequirements(of: image)
        guard let addresses = header.addresses else {
            throw image.error(
                .cannotBootBy(.multiboot, reason: "it is not an ELF file and its header has no load addresses"))
        }
        let before = addresses.header.subtractingReportingOverflow(addresses.load)
        guard !before.overflow, Int(before.partialValue) <= header.offset else {
            throw image.error(
                .invalidField(
                    name: "load_addr", value: UInt64(addresses.load),
                    expected: "at most \(header.offset) bytes below header_addr (\(addresses.header))"))
        }
        let fileOffset = UInt64(header.offset) - UInt64(before.partialValue)
        let load = UInt64(addresses.load)
        guard addresses.loadEnd == 0 || addresses.loadEnd > addresses.load else {
            throw image.error(
                .invalidField(
                    name: "load_end_addr", value: UInt64(addresses.loadEnd), expected: "above load_addr (\(load))"))
        }
        // 0: all of the file, which holds the header and so more than fileOffset.
        let fileSize = addresses.loadEnd == 0 ? image.size - fileOffset : UInt64(addresses.loadEnd) - load
        try image.check(fileOffset, count: fileSize, part: "the kernel")
        guard let loaded = MemoryRange(at: load, count: fileSize) else {
            throw image.error(.invalidField(name: "load_addr", value: load, expected: "a smaller address"))
        }
        let memory = MemoryRange(load, upTo: max(loaded.end, UInt64(addresses.bssEnd)))
        return KernelPlan(
            format: .multibootImage, bootProtocol: .multiboot, source: image,
            segments: [Segment(fileOffset: fileOffset, fileSize: fileSize, memory: memory)],
            entry: UInt64(addresses.entry))
    }
}
