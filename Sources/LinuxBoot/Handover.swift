import GuestMemory

/// All that is written beside the kernel, made and checked before anything is written: the ramdisks, the structures of
/// the boot protocol, and the first processor's state.
struct Handover {
    /// Bytes for a place of `BootLayout`.
    struct Piece {
        let address: UInt64
        let bytes: [UInt8]
    }

    let state: BootState
    let info: BootInfo
    private(set) var ramdisks: [Ramdisk]
    private(set) var pieces: [Piece]

    /// The longest command line of a Linux without a setup header: COMMAND_LINE_SIZE without its NUL.
    static let linuxCommandLineLimit = 2047
    /// The highest end of a ramdisk for a kernel without a setup header: what every header since Linux 2.6 says.
    static let ramdiskLimit: UInt64 = 0x8000_0000

    init(_ plan: KernelPlan, loader: BootLoader, memory: GuestMemory) throws(BootError) {
        let map = MemoryMap(of: memory)
        let placed = try Self.placeRamdisks(plan, loader: loader, memory: memory)
        ramdisks = placed
        let text = plan.bootProtocol == .multiboot ? loader.commandLine.userWords : loader.commandLine.text
        guard loader.deviceTree.isEmpty || plan.bootProtocol.handsOverDeviceTree else {
            throw BootError(
                loader.kernel.name,
                .cannotBootBy(
                    plan.bootProtocol, reason: "it has no place for a device tree; describe the hardware otherwise"))
        }
        var pieces: [Piece] = []
        var acpiRootPointer: UInt64 = 0
        if let hardware = loader.acpiHardware {
            acpiRootPointer = ACPITables.rootPointer
            pieces.append(Piece(address: acpiRootPointer, bytes: try ACPITables(hardware).bytes))
        }

        switch plan.bootProtocol {
        case .linux64, .linux32:
            let limit = plan.setupHeader?.commandLineLimit ?? Self.linuxCommandLineLimit
            pieces.append(try Self.commandLine(text, limit: limit, loader))
            var list = SetupData()
            try list.append(.deviceTree, loader.deviceTree, name: "device tree")
            try list.append(.randomSeed, loader.randomSeed, name: "random seed")
            pieces.append(Piece(address: BootLayout.setupData.start, bytes: list.bytes))
            let page = ZeroPage(
                header: plan.setupHeader, map: map, commandLine: BootLayout.commandLine.start,
                commandLineSize: limit, ramdisk: placed.first?.range, setupData: list.start,
                acpiRootPointer: acpiRootPointer)
            pieces.append(Piece(address: BootLayout.zeroPage.start, bytes: page.bytes))
            let zeroPage = BootLayout.zeroPage.start
            state =
                plan.bootProtocol == .linux64
                ? .long64(entry: GuestAddress(plan.entry), rsi: GuestAddress(zeroPage))
                : .protected32(entry: GuestAddress(plan.entry), esi: UInt32(zeroPage))
        case .pvh:
            // Linux would cut a longer one without a word.
            let limit = plan.isLinux ? Self.linuxCommandLineLimit : Self.longestCommandLine
            pieces.append(
                try Self.commandLine(text, limit: plan.setupHeader?.commandLineLimit ?? limit, loader))
            let info = PVHStartInfo(
                map: map, commandLine: BootLayout.commandLine.start, ramdisk: placed.first?.range,
                acpiRootPointer: acpiRootPointer)
            pieces.append(Piece(address: BootLayout.startInfo.start, bytes: info.bytes))
            state = .protected32(entry: GuestAddress(plan.entry), ebx: UInt32(BootLayout.startInfo.start))
        case .multiboot:
            // The first word is the kernel's name, as a program's argument 0.
            let line = text.isEmpty ? loader.kernel.name : "\(loader.kernel.name) \(text)"
            pieces.append(try Self.commandLine(line, limit: Self.longestCommandLine, loader))
            let modules = zip(placed, loader.ramdisks).map { MultibootInfo.Module(range: $0.range, name: $1.name) }
            let info = try MultibootInfo(
                map: map, commandLine: BootLayout.commandLine.start, modules: modules)
            pieces.append(Piece(address: BootLayout.startInfo.start, bytes: info.bytes))
            state = .protected32(
                entry: GuestAddress(plan.entry), eax: MultibootInfo.loaderMagic,
                ebx: UInt32(BootLayout.startInfo.start))
        }
        if let count = loader.processorCount {
            let table = try MPTable(processorCount: count)
            pieces.append(Piece(address: BootLayout.mpTable.start, bytes: table.configuration))
            for place in [BootLayout.endOfBaseMemory, BootLayout.firmware] {
                pieces.append(Piece(address: place.start, bytes: table.floatingPointer))
            }
        }
        self.pieces = pieces

        let last = plan.segments.map(\.memory.end).max() ?? 0
        info = BootInfo(
            format: plan.format, bootProtocol: plan.bootProtocol, entry: GuestAddress(plan.entry),
            kernelBytes: plan.fileBytes, kernelRange: MemoryRange(plan.segments[0].memory.start, upTo: last),
            ramdiskRanges: placed.map(\.range), commandLine: text, kernelVersion: plan.kernelVersion)
    }

    /// - Throws: `truncated`, `cannotRead` of a ramdisk.
    func write(to memory: GuestMemory) throws(BootError) {
        for ramdisk in ramdisks { try ramdisk.copy(to: memory) }
        for piece in pieces { memory.place(piece.bytes, at: piece.address) }
    }

    /// One ramdisk made of all images, or for multiboot a module each.
    private static func placeRamdisks(
        _ plan: KernelPlan, loader: BootLoader, memory: GuestMemory
    ) throws(BootError) -> [Ramdisk] {
        let limit = plan.setupHeader?.ramdiskLimit ?? Self.ramdiskLimit
        let groups =
            plan.bootProtocol == .multiboot
            ? loader.ramdisks.map { [$0] } : [try loader.ramdisksForLinux(memory: memory)]
        var occupied = plan.segments.map(\.memory)
        var placed: [Ramdisk] = []
        for group in groups {
            if let ramdisk = try Ramdisk(group, occupied: occupied, limit: limit, memory: memory) {
                placed.append(ramdisk)
                occupied.append(ramdisk.range)
                occupied.sort { $0.start < $1.start }
            }
        }
        return placed
    }

    // Its place, without the NUL.
    private static let longestCommandLine = Int(BootLayout.commandLine.count) - 1

    private static func commandLine(_ text: String, limit: Int, _ loader: BootLoader) throws(BootError) -> Piece {
        var bytes = Array(text.utf8)
        let limit = min(limit, longestCommandLine)
        guard !bytes.contains(0) else { throw BootError(nil, .commandLineHasNUL) }
        guard bytes.count <= limit else {
            throw BootError(nil, .commandLineTooLong(length: bytes.count, limit: limit))
        }
        bytes.append(0)
        return Piece(address: BootLayout.commandLine.start, bytes: bytes)
    }
}
