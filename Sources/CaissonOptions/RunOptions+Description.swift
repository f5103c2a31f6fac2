package import Caisson
import HostIO

/// What is made on the host before a machine can have it.
package struct HostPreparation {
    /// Packs files, and returns the path of an EROFS file system with them as `content`.
    package var pack: (CopySpecification) throws(CommandError) -> String
    /// Makes a layer where there is none.
    package var makeLayer: (LayerSpecification) throws(CommandError) -> Void

    package init(
        pack: @escaping (CopySpecification) throws(CommandError) -> String,
        makeLayer: @escaping (LayerSpecification) throws(CommandError) -> Void
    ) {
        self.pack = pack
        self.makeLayer = makeLayer
    }
}

extension RunOptions {
    /// The machine that is asked for, its files open. Checks every option before it opens a file.
    /// - Parameter preparation: needed where files are copied or kept.
    /// - Throws: what to tell the user.
    package func describe(with preparation: HostPreparation? = nil) throws(CommandError) -> MachineDescription {
        let name = try machineName()
        let memorySize = try memory.map(Self.memorySize) ?? defaultMemorySize
        let memoryBacking = try memoryBackingMode(for: memorySize)
        let balloonTarget = try balloonTarget(of: memorySize)
        let processorCount = try cpus.map(Self.processorCount)
        let cpuQuota = try self.cpuQuota.map { text throws(CommandError) in
            try Self.cpuQuota(text, processorCount: processorCount ?? 1)
        }
        let affinity = try cpuAffinity.map { text throws(CommandError) in
            try Self.cpuAffinity(text, count: processorCount ?? 1)
        }
        let console = try consoleSpecification()
        let consolePorts = try consolePortSpecifications(besides: console)
        guard let hardware = HardwareDescriptionMethod(rawValue: hardware) else {
            throw .usage("--hardware '\(hardware)' is no way to describe hardware: use auto, acpi, fdt or cmdline")
        }
        let command = try guestCommand(hostName: name)
        let root = try rootSpecification()
        var disks = try (root.map { [$0.disk] } ?? []) + diskSpecifications()
        let layer = try layerSpecification()
        let copiesIn = try copyIn.map { text throws(CommandError) in try CopySpecification(in: text) }
        let copiesOut = try copyOut.map { text throws(CommandError) in
            let copy = try CopySpecification(out: text)
            return MachineDescription.CopyOut(source: copy.source, destination: copy.destination)
        }
        let networks = try networkSpecifications()
        let socket = try socketSpecification()
        let shares = try shareSpecifications()
        let timeout = try self.timeout.map(Self.timeout)
        let statisticsFile = try self.statisticsFile()
        let logLevel = try leastLevel()
        let commandLine = try self.commandLine(console: console, disks: disks, shares: shares)

        var rootFileSystem = try root?.fileSystem()
        if let layer, let preparation {
            try preparation.makeLayer(layer)
            rootFileSystem?.layerDisk = disks.count
            disks.append(DiskSpecification(.file(path: layer.path)))
        }
        var copiedFiles: [CopiedFiles] = []
        for copy in copiesIn {
            guard let preparation else { break }
            var disk = DiskSpecification(.file(path: try preparation.pack(copy)))
            disk.isReadOnly = true
            copiedFiles.append(CopiedFiles(disk: disks.count, name: copy.name, destination: copy.destination))
            disks.append(disk)
        }
        let files = try GuestFiles(kernel: kernel, ramdisks: initrd, hasRoot: root != nil)
        var description = MachineDescription(name: name, kernel: files.kernel, memorySize: memorySize)
        description.memoryBacking = memoryBacking
        description.ramdisks = files.ramdisks
        description.commandLine = commandLine
        if let processorCount { description.processorCount = processorCount }
        description.cpuQuota = cpuQuota
        if let affinity { description.cpuAffinity = affinity }
        description.console = console
        description.consolePorts = consolePorts
        description.disks = disks
        description.networks = networks
        description.balloonTarget = balloonTarget
        description.socket = socket
        description.shares = shares
        description.hardware = hardware
        description.rootFileSystem = rootFileSystem
        description.copiedFiles = copiedFiles
        description.copiesOut = copiesOut
        description.command = command
        description.guest = guest ?? root?.path ?? (isDefaultGuest ? "the default guest" : nil)
        description.hasAgent = hasAgent
        description.timeout = timeout
        description.debugExit = debugExit
        description.restartsOnReset = !noReboot
        description.statisticsFile = statisticsFile
        description.logLevel = logLevel
        return description
    }

    private func layerSpecification() throws(CommandError) -> LayerSpecification? {
        guard let keep else { return nil }
        guard root != nil else {
            throw .usage("--keep keeps what is written over a root file system: give an image or --root")
        }
        return try LayerSpecification(keep)
    }

    private var isDefaultGuest: Bool { kernel == nil }
    private var hasAgent: Bool { hasCommand || (isDefaultGuest && initrd.isEmpty) }

    /// Memory costs time where kernels are emulated.
    private var defaultMemorySize: UInt64 {
        if root != nil { return 256 << 20 }
        return isDefaultGuest ? 128 << 20 : 512 << 20
    }

    private func commandLine(
        console: ConsoleSpecification, disks: [DiskSpecification], shares: [ShareSpecification]
    ) throws(CommandError) -> MachineDescription.CommandLine {
        if let words = cmdline {
            guard append.isEmpty else {
                throw .usage("--append adds to the default command line, which --cmdline replaces: give one of them")
            }
            return .replacingDefaults(by: words)
        }
        var words: [String] = []
        if isDefaultGuest {
            // Nobody waits for a boot's messages, and each byte costs an exit. Panics are told all the same.
            words.append("quiet")
            if console == .terminal { words += TerminalWords.current }
        }
        // A kernel without a ramdisk mounts its root file system by itself.
        if let first = disks.first, !isDefaultGuest, initrd.isEmpty, root == nil {
            words += ["root=/dev/vda", first.isReadOnly ? "ro" : "rw"]
        }
        if hasAgent { words += Self.words(for: shares) }
        // The last word wins: the user's.
        words += append
        var line = ""
        // Not `joined`, which looks through all conformances of the program to find out what strings are: a tenth of a millisecond.
        for word in words { line += line.isEmpty ? word : " " + word }
        return .extendingDefaults(by: line)
    }
}
