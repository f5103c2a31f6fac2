import Devices
import HostIO
import Logging

/// The host's side of a machine's virtio devices. It lasts over the guest's resets; the devices themselves do not.
final class HostDevices: Sendable {
    /// One device, as it is after each power-on.
    struct Item: Sendable {
        /// What messages call it.
        let name: String
        /// Serves it.
        let loop: EventLoop
        let counters = DeviceCounters()
        let make: @Sendable () -> any VirtioDevice
        /// Lets go of what the host would keep.
        var close: @Sendable () -> Void = {}
    }

    let items: [Item]
    let consoles: [HostConsoles]

    /// Opens what the devices need of the host.
    /// - Parameters:
    ///   - balloons: the controls of the machine's memory balloons.
    ///   - sockets: the machine's socket devices.
    ///   - loop: serves the devices that never wait for the host.
    ///   - consoleEvent: hears what is typed at console devices for the machine.
    /// - Throws: `storageFailure`, `networkFailure`, `consoleFailure`, `hostFailure`.
    init(
        _ configuration: VirtualMachineConfiguration, balloons: [VirtioTraditionalMemoryBalloonDevice],
        sockets: [VirtioSocketDevice], loop: EventLoop, logger: Logger,
        consoleEvent: @escaping @Sendable (ConsoleLine, Console.Event) -> Void
    ) throws(VirtualMachineError) {
        var items: [Item] = []
        var consoles: [HostConsoles] = []
        do throws(VirtualMachineError) {
            for (index, disk) in configuration.storageDevices.enumerated() {
                items.append(try Self.makeDisk(disk, index: index, queueCount: configuration.cpuCount, logger))
            }
            for (index, device) in configuration.networkDevices.enumerated() {
                let item = try Self.makeNetwork(device, index: index, queueCount: configuration.cpuCount, logger)
                if let item { items.append(item) }
            }
            for _ in configuration.entropyDevices {
                items.append(Item(name: "entropy device", loop: loop) { VirtioEntropy(source: HostEntropy()) })
            }
            for balloon in balloons {
                items.append(Item(name: "memory balloon", loop: loop) { balloon.makeDevice() })
            }
            for device in configuration.consoleDevices {
                let host = try HostConsoles(device, loop: loop, event: consoleEvent)
                consoles.append(host)
                items.append(
                    Item(name: "console device", loop: loop, make: { host.makeDevice() }, close: { host.close() }))
            }
            for (device, owner) in zip(configuration.socketDevices, sockets) {
                items.append(try Self.makeSockets(device, owner))
            }
            for (index, device) in configuration.directorySharingDevices.enumerated() {
                items.append(
                    try Self.makeShare(device, index: index, of: configuration.directorySharingDevices.count))
            }
        } catch {
            for item in items { item.close() }
            throw error
        }
        self.items = items
        self.consoles = consoles
    }

    private static func makeDisk(
        _ disk: VirtioBlockDeviceConfiguration, index: Int, queueCount: Int, _ logger: Logger
    ) throws(VirtualMachineError) -> Item {
        guard let specification = disk.specification else {
            preconditionFailure("a validated configuration has Caisson's attachments")
        }
        let report: @Sendable (String) -> Void = { logger.warning("\($0)") }
        let image: DiskImage
        do {
            switch specification.source {
            case .file(let path):
                image = try DiskImage(
                    opening: path, isReadOnly: specification.isReadOnly, cache: specification.cache,
                    isSnapshot: specification.isSnapshot, report: report)
            case .scratch(let byteCount): image = try DiskImage(scratch: byteCount, report: report)
            }
        } catch { throw VirtualMachineError(.storageFailure, "\(error)") }
        // Its own thread: a disk may have the host wait, and is not to hold up others.
        let (loop, limiter): (EventLoop, RateLimiter?)
        do {
            loop = try EventLoop(name: "caisson-disk\(index)", startsNow: false)
            limiter = try disk.rateLimit.makeLimiter(on: loop)
        } catch { throw VirtualMachineError(error) }
        return Item(name: image.name, loop: loop) {
            VirtioBlock(
                storage: DiskStorage(image, loop: loop), serial: specification.serial,
                queueCount: min(queueCount, 8), limiter: limiter)
        }
    }

    private static func makeNetwork(
        _ device: VirtioNetworkDeviceConfiguration, index: Int, queueCount: Int, _ logger: Logger
    ) throws(VirtualMachineError) -> Item? {
        guard let specification = device.specification else {
            preconditionFailure("a validated configuration has Caisson's attachments")
        }
        let report: @Sendable (String) -> Void = { logger.warning("\($0)") }
        let (loop, sendLimiter, receiveLimiter): (EventLoop, RateLimiter?, RateLimiter?)
        do {
            loop = try EventLoop(name: "caisson-net\(index)", startsNow: false)
            sendLimiter = try device.rateLimit.makeLimiter(on: loop)
            receiveLimiter = try device.rateLimit.makeLimiter(on: loop)
        } catch { throw VirtualMachineError(error) }
        @Sendable func makeDevice(_ network: any NetworkInterface) -> VirtioNet {
            VirtioNet(interface: network, sendLimiter: sendLimiter, receiveLimiter: receiveLimiter)
        }
        let address = device.macAddress.address.rawValue
        func item(_ source: any FrameSource, mtu: UInt16) -> Item {
            let port = FramePort(source, loop: loop, report: report)
            let network = FrameNetwork(port, address: address, mtu: mtu)
            return Item(
                name: source.name, loop: loop, make: { makeDevice(network) }, close: { port.stop() })
        }
        switch specification.attachment {
        case .user(let specification):
            guard let network = try openUserNetwork(specification, logger) else { return nil }
            return item(UserNetworkSource(network, report: report), mtu: UserNetwork.mtu)
        case .tap(let name):
            let tap = try onNetwork { () throws(NetworkError) in
                try TapInterface(name: name, queueCount: min(queueCount, 8))
            }
            logger.info("eth\(index) is \(tap.name) on the host")
            let network = TapNetwork(
                tap, address: address, mtu: UInt16(specification.mtu ?? tap.mtu), loop: loop, report: report)
            return Item(name: "network device on \(tap.name)", loop: loop) { makeDevice(network) }
        case .link(let path):
            let source = try onNetwork { () throws(NetworkError) in try LinkSource(path: path) }
            return item(source, mtu: UInt16(specification.mtu ?? 1500))
        }
    }

    private static func onNetwork<Value, Failure>(
        _ body: () throws(Failure) -> Value
    ) throws(VirtualMachineError) -> Value {
        do { return try body() } catch { throw VirtualMachineError(.networkFailure, "\(error)") }
    }

    /// Its process starts when the guest's driver does, but if ports are published now: they listen from the start. Nil
    /// where a machine without it was asked for rather than none.
    private static func openUserNetwork(
        _ specification: UserNetworkSpecification, _ logger: Logger
    ) throws(VirtualMachineError) -> UserNetwork? {
        let network = UserNetwork(specification)
        do throws(UserNetworkError) {
            if !specification.publishes.isEmpty { try network.open() }
            guard network.isAvailable else { throw .noHelper(path: network.program) }
        } catch {
            guard specification.isOptional else { throw VirtualMachineError(.networkFailure, "\(error)") }
            logger.warning("the machine has no network: \(error)")
            return nil
        }
        return network
    }

    private static func makeSockets(
        _ device: VirtioSocketDeviceConfiguration, _ owner: VirtioSocketDevice
    ) throws(VirtualMachineError) -> Item {
        do {
            // Its own thread: what moves much data is not to hold up the console.
            let loop = try EventLoop(name: "caisson-vsock", startsNow: false)
            let sockets = try HostSockets(device, owner: owner, loop: loop)
            return Item(
                name: "socket device", loop: loop, make: { sockets.makeDevice() }, close: { sockets.close() })
        } catch { throw VirtualMachineError(error) }
    }

    private static func makeShare(
        _ device: VirtioFileSystemDeviceConfiguration, index: Int, of count: Int
    ) throws(VirtualMachineError) -> Item {
        guard let directory = device.directory else {
            preconditionFailure("a validated configuration has Caisson's shares")
        }
        let files = try SharedFiles(directory, shareCount: count)
        do {
            // Its own thread: a directory may have the host wait, and is not to hold up others.
            let loop = try EventLoop(name: "caisson-share\(index)", startsNow: false)
            return Item(name: "file system \(device.tag)", loop: loop) {
                VirtioFileSystem(tag: device.tag, host: files)
            }
        } catch { throw VirtualMachineError(error) }
    }

    /// Starts the devices' threads.
    /// - Throws: `hostFailure`.
    func start() throws(VirtualMachineError) {
        do throws(HostError) { for item in items { try item.loop.start() } } catch { throw VirtualMachineError(error) }
    }

    /// Ends the devices' threads. Nothing is in flight any more.
    func close() {
        for item in items { item.close() }
        // Several share one, which a console needs until it is closed.
        for item in items { item.loop.stop() }
    }
}
