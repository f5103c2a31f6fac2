/// ELF kernels: which protocol starts them, and what is loaded.
extension KernelPlan {
    /// - Parameters:
    ///   - wanted: the protocol that the caller insists on; nil takes the one that suits the file best.
    ///   - multiboot: the header in the file's beginning, if there is one.
    ///   - isLinux: it is known to be one; else its notes say.
    /// - Throws: what `ELFHeader` and `ELFNotes` throw; `cannotBootBy`, `invalidField`, `truncated`.
    static func elf(
        _ image: any BootImage, wanted: BootProtocol?, multiboot: MultibootHeader?, isLinux: Bool = false
    ) throws(BootError) -> KernelPlan {
        let header = try ELFHeader(of: image)
        let notes = try ELFNotes(of: image, header: header)
        let bootProtocol =
            wanted
            ?? preferredProtocol(header, notes, isLinux: isLinux || notes.isLinux, hasMultiboot: multiboot != nil)
        let segments = try loadSegments(of: header, image)
        let entry: UInt64
        switch bootProtocol {
        case .linux64:
            guard header.is64Bit else {
                throw image.error(.cannotBootBy(.linux64, reason: "it is a 32-bit kernel"))
            }
            entry = header.entry
        case .linux32:
            guard !header.is64Bit else {
                throw image.error(.cannotBootBy(.linux32, reason: "it is a 64-bit kernel"))
            }
            entry = header.entry
        case .pvh:
            guard let address = notes.pvhEntry else {
                throw image.error(.cannotBootBy(.pvh, reason: "it has no PVH note (a Linux needs CONFIG_PVH)"))
            }
            entry = address
        case .multiboot:
            guard let multiboot else {
                throw image.error(.cannotBootBy(.multiboot, reason: "it has no multiboot header in its first 8 KiB"))
            }
            try multiboot.checkRequirements(of: image)
            entry = physicalEntry(of: header)
        }
        return KernelPlan(
            format: header.is64Bit ? .elf64 : .elf32, bootProtocol: bootProtocol, source: image, segments: segments,
            entry: entry, isLinux: isLinux || notes.isLinux)
    }

    /// A kernel with a multiboot header was made for it. e_entry is Linux's own entry, which is told more than PVH
    /// can say and in 64-bit mode is quicker; in other kernels with a PVH note it need not be an entry at all.
    private static func preferredProtocol(
        _ header: ELFHeader, _ notes: ELFNotes, isLinux: Bool, hasMultiboot: Bool
    ) -> BootProtocol {
        if hasMultiboot { return .multiboot }
        if notes.pvhEntry != nil && !isLinux { return .pvh }
        return header.is64Bit ? .linux64 : .linux32
    }

    private static func loadSegments(of header: ELFHeader, _ image: any BootImage) throws(BootError) -> [Segment] {
        var segments: [Segment] = []
        for entry in header.programHeaders where entry.type == ELFHeader.load && entry.memorySize > 0 {
            guard entry.fileSize <= entry.memorySize else {
                throw image.error(
                    .invalidField(
                        name: "p_filesz", value: entry.fileSize, expected: "at most p_memsz (\(entry.memorySize))"))
            }
            try image.check(entry.fileOffset, count: entry.fileSize, part: "the kernel")
            guard let memory = MemoryRange(at: entry.physicalAddress, count: entry.memorySize) else {
                throw image.error(
                    .invalidField(
                        name: "p_paddr", value: entry.physicalAddress,
                        expected: "an address with room for \(entry.memorySize) bytes"))
            }
            segments.append(Segment(fileOffset: entry.fileOffset, fileSize: entry.fileSize, memory: memory))
        }
        guard !segments.isEmpty else { throw image.error(.notAKernelELF("one with nothing to load")) }
        return segments.sorted { $0.memory.start < $1.memory.start }
    }

    /// e_entry as a physical address. Where it is the virtual address of a segment (kernels linked high), it moves
    /// with the segment.
    private static func physicalEntry(of header: ELFHeader) -> UInt64 {
        let loaded = header.programHeaders.filter { $0.type == ELFHeader.load }
        func isIn(_ start: UInt64, _ size: UInt64) -> Bool { header.entry >= start && header.entry - start < size }
        if loaded.contains(where: { isIn($0.physicalAddress, $0.memorySize) }) { return header.entry }
        for segment in loaded where isIn(segment.virtualAddress, segment.memorySize) {
            return segment.physicalAddress &+ (header.entry - segment.virtualAddress)
        }
        return header.entry
    }
}
