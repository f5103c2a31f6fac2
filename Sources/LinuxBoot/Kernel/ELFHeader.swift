/// The headers of an ELF file of either class, checked as far as a loader relies on them (System V gABI, chapter 4).
struct ELFHeader {
    struct ProgramHeader: Equatable {
        let type: UInt32
        let fileOffset: UInt64
        let virtualAddress: UInt64
        let physicalAddress: UInt64
        let fileSize: UInt64
        let memorySize: UInt64
    }

    static let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]

    let is64Bit: Bool
    let entry: UInt64
    let programHeaders: [ProgramHeader]

    /// p_type.
    static let load: UInt32 = 1
    static let interpreter: UInt32 = 3
    static let note: UInt32 = 4

    /// Reads the headers of an ELF file.
    /// - Throws: `truncated`, `invalidField`, `foreignArchitecture`, `notAKernelELF`, `cannotRead`.
    init(of image: any BootImage) throws(BootError) {
        let identity = try image.bytes(at: 0, count: 16, part: "the ELF header")
        let fileClass = identity[4]
        guard fileClass == 1 || fileClass == 2 else {
            throw image.error(.invalidField(name: "EI_CLASS", value: UInt64(fileClass), expected: "1 or 2"))
        }
        guard identity[5] == 1 else {
            throw image.error(.foreignArchitecture("a big-endian processor"))
        }
        is64Bit = fileClass == 2
        let header = try image.bytes(at: 0, count: is64Bit ? 64 : 52, part: "the ELF header")
        let fields = ELFFields(bytes: header, is64Bit: is64Bit)

        let machine = fields.half(at: 18)
        // EM_X86_64 in both classes; EM_386 for 32-bit code.
        guard machine == 62 || (machine == 3 && !is64Bit) else {
            throw image.error(.foreignArchitecture(Self.architecture(machine)))
        }
        switch fields.half(at: 16) {
        case 2: break
        case 1: throw image.error(.notAKernelELF("an object file or kernel module"))
        case 3: throw image.error(.notAKernelELF("a shared library or position-independent program"))
        case 4: throw image.error(.notAKernelELF("a core dump"))
        case let type:
            throw image.error(.invalidField(name: "e_type", value: UInt64(type), expected: "2 (executable)"))
        }
        entry = fields.word(at: 24)

        let tableOffset = fields.word(at: is64Bit ? 32 : 28)
        let entrySize = Int(fields.half(at: is64Bit ? 54 : 42))
        let count = Int(fields.half(at: is64Bit ? 56 : 44))
        let expectedSize = is64Bit ? 56 : 32
        guard count > 0 else {
            throw image.error(.invalidField(name: "e_phnum", value: 0, expected: "1 or more"))
        }
        guard entrySize == expectedSize else {
            throw image.error(
                .invalidField(name: "e_phentsize", value: UInt64(entrySize), expected: "\(expectedSize)"))
        }
        // At most 65,535 entries of 56 bytes.
        let table = try image.bytes(at: tableOffset, count: count * entrySize, part: "the program headers")
        let wide = is64Bit
        programHeaders = (0..<count).map { index in
            ELFFields(bytes: table, is64Bit: wide).programHeader(at: index * expectedSize)
        }
        if programHeaders.contains(where: { $0.type == Self.interpreter }) {
            throw image.error(.notAKernelELF("a dynamically linked program"))
        }
    }

    private static func architecture(_ machine: UInt16) -> String {
        switch machine {
        case 3: "32-bit x86 in a 64-bit file"
        case 8: "MIPS"
        case 20, 21: "PowerPC"
        case 22: "S/390"
        case 40: "32-bit ARM"
        case 183: "ARM64"
        case 243: "RISC-V"
        case 258: "LoongArch"
        default: "another processor (ELF machine \(machine))"
        }
    }
}

/// Fields of a table whose size the caller has checked.
private struct ELFFields {
    let bytes: [UInt8]
    let is64Bit: Bool

    func half(at offset: Int) -> UInt16 { value(at: offset) }

    /// An address, offset or size, as wide as the file's class.
    func word(at offset: Int) -> UInt64 {
        is64Bit ? value(at: offset) : UInt64(value(at: offset) as UInt32)
    }

    func programHeader(at start: Int) -> ELFHeader.ProgramHeader {
        let offsets = is64Bit ? [8, 16, 24, 32, 40] : [4, 8, 12, 16, 20]
        return ELFHeader.ProgramHeader(
            type: value(at: start), fileOffset: word(at: start + offsets[0]),
            virtualAddress: word(at: start + offsets[1]), physicalAddress: word(at: start + offsets[2]),
            fileSize: word(at: start + offsets[3]), memorySize: word(at: start + offsets[4]))
    }

    private func value<Value: FixedWidthInteger & UnsignedInteger>(at offset: Int) -> Value {
        guard let value = bytes.field(Value.self, at: offset) else {
            preconditionFailure("the header was read whole")
        }
        return value
    }
}
