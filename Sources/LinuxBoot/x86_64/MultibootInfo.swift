/// What a multiboot kernel is told (Multiboot Specification 0.6.96, 3.3).
struct MultibootInfo {
    struct Module {
        let range: MemoryRange
        let name: String
    }

    /// In EAX: "a multiboot loader was here".
    static let loaderMagic: UInt32 = 0x2bad_b002

    private enum Flag {
        static let memory: UInt32 = 1 << 0
        static let commandLine: UInt32 = 1 << 2
        static let modules: UInt32 = 1 << 3
        static let map: UInt32 = 1 << 6
        static let loaderName: UInt32 = 1 << 9
    }

    private enum Offset {
        static let flags = 0
        static let memoryLower = 4
        static let memoryUpper = 8
        static let commandLine = 16
        static let moduleCount = 20
        static let modules = 24
        static let mapSize = 44
        static let map = 48
        static let loaderName = 64
    }

    private static let headerSize = 120
    private static let start = BootLayout.startInfo.start

    /// The structure, the memory map, the module list and the strings: as they lie in `BootLayout.startInfo`.
    private(set) var bytes = [UInt8](repeating: 0, count: MultibootInfo.headerSize)

    /// - Throws: `tableTooLarge`: the modules' names need more room than there is.
    init(map: MemoryMap, commandLine: UInt64, modules: [Module]) throws(BootError) {
        var flags = Flag.memory | Flag.commandLine | Flag.map | Flag.loaderName
        // KiB below and above 1 MiB, the latter up to the first hole.
        bytes.set(UInt32(BootLayout.legacyHole.start >> 10), at: Offset.memoryLower)
        let upper = map.entries.first { $0.kind == .ram && $0.range.start == BootLayout.legacyHole.end }
        bytes.set(UInt32((upper?.range.count ?? 0) >> 10), at: Offset.memoryUpper)
        bytes.set(UInt32(commandLine), at: Offset.commandLine)

        bytes.set(address, at: Offset.map)
        for entry in map.entries {
            bytes.append(field: UInt32(20))  // the entry's size without this field
            bytes.append(field: entry.range.start)
            bytes.append(field: entry.range.count)
            bytes.append(field: entry.kind.rawValue)
        }
        bytes.set(UInt32(bytes.count - Self.headerSize), at: Offset.mapSize)

        bytes.set(address, at: Offset.loaderName)
        append(string: "Caisson")
        if !modules.isEmpty {
            flags |= Flag.modules
            let names = modules.map { module in
                let place = address
                append(string: module.name)
                return place
            }
            bytes.pad(to: 4)
            bytes.set(UInt32(modules.count), at: Offset.moduleCount)
            bytes.set(address, at: Offset.modules)
            for (module, name) in zip(modules, names) {
                bytes.append(field: UInt32(module.range.start))
                bytes.append(field: UInt32(module.range.end))
                bytes.append(field: name)
                bytes.append(field: UInt32(0))
            }
        }
        bytes.set(flags, at: Offset.flags)
        guard bytes.count <= BootLayout.startInfo.count else {
            throw BootError(
                nil,
                .tableTooLarge(
                    what: "list of modules", size: UInt64(bytes.count), limit: BootLayout.startInfo.count))
        }
    }

    /// Where the next byte will lie.
    private var address: UInt32 { UInt32(Self.start) + UInt32(bytes.count) }

    private mutating func append(string: String) {
        bytes.append(contentsOf: string.utf8)
        bytes.append(0)
    }
}
