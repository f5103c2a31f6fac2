import Caisson
import Glibc
import HostIO
import Logging

extension RunOptions {
    private static let leastMemory: UInt64 = 32 << 20

    package static func memorySize(_ text: String) throws(CommandError) -> UInt64 {
        guard let size = ByteSize(parsing: text) else {
            throw .usage("--memory '\(text)' is no size: use a number and K, M, G or T, as in 512M or 1.5G")
        }
        let most = min(hostMemory, MachineDescription.memorySizes.upperBound)
        let range = "a machine on this host has \(ByteSize(leastMemory)) to \(ByteSize(most)) of memory"
        guard size.bytes >= leastMemory else {
            // Some tools count in megabytes where no unit is given.
            let isNumber = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            let hint = isNumber && size.bytes > 0 ? " (do you mean \(text)M?)" : ""
            throw .usage("--memory \(text) is too little: \(range)\(hint)")
        }
        guard size.bytes <= most else { throw .usage("--memory \(text) is too much: \(range)") }
        let page = MachineDescription.pageSize
        return (size.bytes + page - 1) / page * page
    }

    /// The host's RAM in bytes, in whole pages.
    private static var hostMemory: UInt64 {
        let (pages, pageSize) = (sysconf(Int32(_SC_PHYS_PAGES)), sysconf(Int32(_SC_PAGESIZE)))
        // What cannot be known is no limit.
        guard pages > 0, pageSize > 0 else { return .max }
        return UInt64(pages).multipliedReportingOverflow(by: UInt64(pageSize)).partialValue
    }

    func memoryBackingMode(for memorySize: UInt64) throws(CommandError) -> MemoryBackingMode {
        guard let mode = MemoryBackingMode(rawValue: memoryBacking) else {
            throw .usage(
                "--memory-backing '\(memoryBacking)' is no kind of memory: "
                    + "use anonymous, shared, mergeable, hugepages or thp")
        }
        let rest = memorySize % mode.pageSize
        guard rest == 0 else {
            throw .usage(
                "--memory-backing \(memoryBacking) needs whole pages of \(ByteSize(mode.pageSize)): "
                    + "use --memory \(ByteSize(memorySize - rest)) or \(ByteSize(memorySize - rest + mode.pageSize))")
        }
        return mode
    }

    /// Bytes that a balloon leaves to a guest with `memorySize` bytes of memory; nil where there is none.
    func balloonTarget(of memorySize: UInt64) throws(CommandError) -> UInt64? {
        guard let text = balloonTarget else { return balloon ? memorySize : nil }
        let range = "a balloon leaves \(ByteSize(Self.leastMemory)) to \(ByteSize(memorySize)) to this machine's guest"
        guard let size = ByteSize(parsing: text) else {
            throw .usage("--balloon-target '\(text)' is no size: use a number and K, M, G or T, as in 64M")
        }
        guard size.bytes >= Self.leastMemory else { throw .usage("--balloon-target \(text) is too little: \(range)") }
        guard size.bytes <= memorySize else { throw .usage("--balloon-target \(text) is too much: \(range)") }
        return size.bytes
    }

    static func processorCount(_ text: String) throws(CommandError) -> Int {
        let most = VirtualMachineConfiguration.maximumAllowedCPUCount
        guard let count = Int(text), count >= 1 else {
            throw .usage("--cpus '\(text)' is no number of processors: a machine has 1 to \(most)")
        }
        guard count <= most else {
            throw .usage("--cpus \(text) is too many: a machine has at most \(most) processors")
        }
        return count
    }

    static func cpuQuota(_ text: String, processorCount: Int) throws(CommandError) -> Int {
        guard let percent = Int(text.hasSuffix("%") ? text.dropLast() : text[...]) else {
            throw .usage("--cpu-quota '\(text)' is no share: use percent of one of the host's processors, as in 50%")
        }
        guard (1...100 * processorCount).contains(percent) else {
            let processors = processorCount == 1 ? "one processor" : "\(processorCount) processors"
            throw .usage("--cpu-quota \(text) is out of range: \(processors) can use 1% to \(100 * processorCount)%")
        }
        return percent
    }

    /// One of the host's processors for each of the machine's `count`.
    static func cpuAffinity(_ text: String, count: Int) throws(CommandError) -> [Int] {
        guard let list = ProcessorList(parsing: text) else {
            throw .usage(
                "--cpu-affinity '\(text)' is no list of processors: use numbers from 0 to "
                    + "\(ProcessorList.numbers.upperBound), as in 0,2-4")
        }
        guard list.processors.count == count else {
            throw .usage(
                "--cpu-affinity \(text) names \(list.processors.count) of the host's processors, the machine has "
                    + "\(count): give one for each, or start caisson by taskset to share a set")
        }
        return list.processors
    }

    func machineName() throws(CommandError) -> String {
        guard let name = name else { return "machine-\(getpid())" }
        guard MachineDescription.isName(name) else {
            throw .usage(
                "--name '\(name)' is no name: use letters, digits, '_', '.' and '-', "
                    + "at most \(MachineDescription.longestName), the first of them a letter or digit")
        }
        return name
    }

    static func timeout(_ text: String) throws(CommandError) -> Duration {
        guard let span = TimeSpan(parsing: text) else {
            throw .usage("--timeout '\(text)' is no time: use a number and ms, s, m, h or d, as in 30s or 1h30m")
        }
        let timeout = Duration.milliseconds(min(span.milliseconds, UInt64(Int64.max)))
        guard MachineDescription.timeouts.contains(timeout) else {
            throw .usage("--timeout \(text) is out of range: a machine's time is 1ms to 365d")
        }
        return timeout
    }

    func consoleSpecification() throws(CommandError) -> ConsoleSpecification {
        let specification: ConsoleSpecification
        do { specification = try ConsoleSpecification(console ?? (hasCommand ? "none" : "terminal")) } catch {
            throw .usage("--console: \(error)")
        }
        guard !hasCommand || specification != .terminal else {
            throw .usage("--console terminal: the command has the terminal; use file:PATH, pty or unix:PATH")
        }
        return specification
    }

    /// The ports of a console device, the consoles first as Linux wants port 0 to be one.
    func consolePortSpecifications(
        besides console: ConsoleSpecification
    ) throws(CommandError) -> [ConsolePortSpecification] {
        var ports: [ConsolePortSpecification] = []
        for text in virtioConsole {
            do throws(ConsolePortSpecificationError) { ports.append(try ConsolePortSpecification(text)) } catch {
                throw .usage("--virtio-console: \(error)")
            }
        }
        let most = VirtioConsoleDeviceConfiguration.maximumAllowedPortCount
        guard ports.count <= most else {
            throw .usage("--virtio-console is there \(ports.count) times: a machine has at most \(most) such consoles")
        }
        let names = ports.compactMap(\.name)
        if let name = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw .usage("--virtio-console: two consoles are called '\(name)'; give each a name of its own")
        }
        guard !hasCommand || !ports.contains(where: { $0.console == .terminal }) else {
            throw .usage("--virtio-console terminal: the command has the terminal; use file:PATH, pty or unix:PATH")
        }
        guard ([console] + ports.map(\.console)).count(where: { $0 == .terminal }) <= 1 else {
            throw .usage(
                console == .terminal
                    ? "--virtio-console terminal: the serial console has the terminal; give --console none as well"
                    : "--virtio-console: two consoles cannot share one terminal")
        }
        return ports.filter { $0.name == nil } + ports.filter { $0.name != nil }
    }

    func diskSpecifications() throws(CommandError) -> [DiskSpecification] {
        var disks: [DiskSpecification] = []
        for text in disk {
            do throws(DiskSpecificationError) {
                disks.append(try DiskSpecification(text) { ByteSize(parsing: $0)?.bytes })
            } catch { throw .usage("--disk: \(error)") }
        }
        guard snapshot else { return disks }
        guard !disks.isEmpty else { throw .usage("--snapshot is for disks: give one with --disk") }
        return disks.map { disk in
            var disk = disk
            if case .file = disk.source { disk.isSnapshot = true }
            return disk
        }
    }

    func networkSpecifications() throws(CommandError) -> [NetworkSpecification] {
        var networks: [NetworkSpecification] = []
        for text in network where network != ["none"] {
            guard text != "none" else {
                throw .usage("--network none is for a machine without a network: leave the other --network options out")
            }
            do throws(NetworkSpecificationError) {
                networks.append(try NetworkSpecification(text) { ByteSize(parsing: $0)?.bytes })
            } catch { throw .usage("--network: \(error)") }
        }
        if network.isEmpty {
            var user = UserNetworkSpecification()
            // Nobody asked for one.
            user.isOptional = publish.isEmpty
            networks.append(NetworkSpecification(.user(user)))
        }
        return publish.isEmpty ? networks : try publishing(on: networks)
    }

    /// The networks, the first user network of which has the ports of --publish.
    private func publishing(on networks: [NetworkSpecification]) throws(CommandError) -> [NetworkSpecification] {
        var networks = networks
        for index in networks.indices {
            guard case .user(var user) = networks[index].attachment else { continue }
            for text in publish {
                do throws(PortForwardError) { try user.publish(PortForward(text)) } catch {
                    throw .usage("--publish: \(error)")
                }
            }
            networks[index].attachment = .user(user)
            return networks
        }
        throw .usage("--publish needs a user network: leave --network out, or give --network user as well")
    }

    func statisticsFile() throws(CommandError) -> String? {
        guard let path = statsJSON else { return nil }
        guard !path.isEmpty, !path.utf8.contains(0) else { throw .usage("--stats-json '\(path)' is no path of a file") }
        return path
    }

    func socketSpecification() throws(CommandError) -> SocketSpecification? {
        guard let vsock else { return nil }
        do { return try SocketSpecification(vsock) } catch { throw .usage("--vsock: \(error)") }
    }

    func leastLevel() throws(CommandError) -> Logger.Level {
        guard let text = logLevel else {
            return switch verbose {
            case 0: .warning
            case 1: .info
            case 2: .debug
            default: .trace
            }
        }
        guard verbose == 0 else { throw .usage("--verbose and --log-level say the same: give one of them") }
        guard let level = Logger.Level(rawValue: text) else {
            let levels = Logger.Level.allCases.map(\.rawValue)
            throw .usage(
                "--log-level '\(text)' is no level: use \(levels.dropLast().joined(separator: ", ")) or \(levels.last ?? "")"
            )
        }
        return level
    }
}
