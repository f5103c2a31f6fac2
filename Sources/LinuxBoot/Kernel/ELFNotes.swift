/// The notes of an ELF kernel that say how it may be started.
struct ELFNotes {
    /// The address in XEN_ELFNOTE_PHYS32_ENTRY: where a PVH start begins.
    private(set) var pvhEntry: UInt64?
    /// Notes of the owner "Linux": the file is a Linux vmlinux.
    private(set) var isLinux = false

    private static let physical32Entry: UInt32 = 18
    // A kernel's notes are a few hundred bytes.
    private static let sizeLimit: UInt64 = 1 << 20

    /// - Throws: `truncated`, `invalidField`, `cannotRead`.
    init(of image: any BootImage, header: ELFHeader) throws(BootError) {
        var left = Self.sizeLimit
        for segment in header.programHeaders where segment.type == ELFHeader.note {
            guard segment.fileSize <= left else {
                throw image.error(
                    .invalidField(name: "p_filesz of the notes", value: segment.fileSize, expected: "at most 1 MiB"))
            }
            left -= segment.fileSize
            scan(try image.bytes(at: segment.fileOffset, count: Int(segment.fileSize), part: "the ELF notes"))
        }
    }

    /// Each note is three words (name size, descriptor size, type), the name and the descriptor, both padded to 4 bytes.
    private mutating func scan(_ bytes: [UInt8]) {
        var offset = 0
        while let nameSize = bytes.field(UInt32.self, at: offset),
            let descriptorSize = bytes.field(UInt32.self, at: offset + 4),
            let type = bytes.field(UInt32.self, at: offset + 8)
        {
            // 64-bit sums of 32-bit sizes cannot wrap.
            let name = offset + 12
            let descriptor = name + (Int(nameSize) + 3) & ~3
            let next = descriptor + (Int(descriptorSize) + 3) & ~3
            guard descriptor + Int(descriptorSize) <= bytes.count else { return }
            if nameSize == 6, bytes.has(Array("Linux\0".utf8), at: name) { isLinux = true }
            if nameSize == 4, bytes.has(Array("Xen\0".utf8), at: name), type == Self.physical32Entry {
                pvhEntry =
                    descriptorSize == 8
                    ? bytes.field(UInt64.self, at: descriptor)
                    : bytes.field(UInt32.self, at: descriptor).map { UInt64($0) }
            }
            offset = next
        }
    }
}
