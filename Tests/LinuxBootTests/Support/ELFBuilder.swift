@testable import LinuxBoot

/// Writes small ELF kernels.
struct ELFBuilder {
    struct Segment {
        var type: UInt32 = ELFHeader.load
        var contents: [UInt8]
        var physical: UInt64
        var virtual: UInt64?
        /// p_memsz; nil is the contents' count.
        var memorySize: UInt64?
    }

    var is64Bit = true
    var type: UInt16 = 2
    var machine: UInt16 = 62
    var entry: UInt64 = 0x10_0000
    var segments: [Segment] = []
    /// Bytes for the gap behind the headers, for instance a multiboot header.
    var afterHeaders: [UInt8] = []

    /// A note's bytes.
    static func note(_ owner: String, type: UInt32, _ descriptor: [UInt8]) -> [UInt8] {
        let name = Array(owner.utf8) + [0]
        var bytes: [UInt8] = []
        bytes.append(field: UInt32(name.count))
        bytes.append(field: UInt32(descriptor.count))
        bytes.append(field: type)
        bytes += name
        bytes.pad(to: 4)
        bytes += descriptor
        bytes.pad(to: 4)
        return bytes
    }

    mutating func add(_ contents: [UInt8], at physical: UInt64, virtual: UInt64? = nil, memorySize: UInt64? = nil) {
        segments.append(Segment(contents: contents, physical: physical, virtual: virtual, memorySize: memorySize))
    }

    mutating func addNotes(_ notes: [[UInt8]]) {
        segments.append(Segment(type: ELFHeader.note, contents: notes.flatMap { $0 }, physical: 0))
    }

    mutating func addPVHNote(_ entry: UInt64) {
        var descriptor: [UInt8] = []
        if is64Bit { descriptor.append(field: entry) } else { descriptor.append(field: UInt32(entry)) }
        addNotes([Self.note("GNU", type: 3, [1, 2, 3]), Self.note("Xen", type: 18, descriptor)])
    }

    var bytes: [UInt8] {
        let headerSize = is64Bit ? 64 : 52
        let entrySize = is64Bit ? 56 : 32
        var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, is64Bit ? 2 : 1, 1, 1]
        file.pad(to: 16)
        file.append(field: type)
        file.append(field: machine)
        file.append(field: UInt32(1))
        append(entry, to: &file)
        append(UInt64(headerSize), to: &file)
        append(0, to: &file)
        file.append(field: UInt32(0))
        for half in [headerSize, entrySize, segments.count, 0, 0, 0] { file.append(field: UInt16(half)) }

        var offset = UInt64(headerSize + entrySize * segments.count + afterHeaders.count)
        for segment in segments {
            let size = UInt64(segment.contents.count)
            let fields = [
                offset, segment.virtual ?? segment.physical, segment.physical, size, segment.memorySize ?? size,
            ]
            file.append(field: segment.type)
            if is64Bit { file.append(field: UInt32(7)) }
            for field in fields { append(field, to: &file) }
            if !is64Bit { file.append(field: UInt32(7)) }
            append(4096, to: &file)
            offset += size
        }
        return file + afterHeaders + segments.flatMap(\.contents)
    }

    func image(_ name: String = "vmlinux") -> ByteArrayBootImage { ByteArrayBootImage(bytes, name: name) }

    private func append(_ word: UInt64, to file: inout [UInt8]) {
        if is64Bit { file.append(field: word) } else { file.append(field: UInt32(word)) }
    }
}

/// Bytes that differ from each other and from run to run of the seed.
func pattern(_ count: Int, seed: UInt8 = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(seed)) | 1 }
}
