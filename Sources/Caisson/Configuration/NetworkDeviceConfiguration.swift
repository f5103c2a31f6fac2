package import HostIO
public import SystemPackage

/// What a network device is connected to.
///
/// Conforming types are this library's own.
public protocol NetworkDeviceAttachment: Sendable {}

/// The host's own network, without privileges: a process in between acts for the guest on the host's sockets. The guest
/// gets an address by DHCP, and a name server.
public struct NATNetworkDeviceAttachment: NetworkDeviceAttachment, Equatable {
    /// Ports of the host's that lead to the guest, from the machine's start on.
    public var publishedPorts: [PublishedPort] = []
    /// Whether the guest reaches what listens on the host's loopback interface only, at 10.0.2.2.
    public var reachesHostLoopback = false
    /// Whether a machine starts without the device where this host has no helper program for it.
    var isOptional = false

    /// A network with no published port.
    public init() {}
}

/// A port of the host's that leads to one of the guest's.
public struct PublishedPort: Equatable, Sendable {
    /// Which protocol a port is of.
    public enum TransportProtocol: Sendable {
        /// Streams.
        case tcp
        /// Datagrams.
        case udp
    }

    /// The IPv4 address at which the host listens, in decimal; all addresses are 0.0.0.0.
    public var hostAddress: String
    /// The host's port, 1 to 65535.
    public var hostPort: UInt16
    /// The guest's port, 1 to 65535.
    public var guestPort: UInt16
    /// What the port is of.
    public var transportProtocol: TransportProtocol

    /// A port at all of the host's addresses, unless one is given.
    public init(
        hostPort: UInt16, guestPort: UInt16, transportProtocol: TransportProtocol = .tcp,
        hostAddress: String = "0.0.0.0"
    ) {
        self.hostPort = hostPort
        self.guestPort = guestPort
        self.transportProtocol = transportProtocol
        self.hostAddress = hostAddress
    }
}

extension NATNetworkDeviceAttachment {
    init(_ specification: UserNetworkSpecification) {
        reachesHostLoopback = specification.reachesHostLoopback
        isOptional = specification.isOptional
        publishedPorts = specification.publishes.map { forward in
            PublishedPort(
                hostPort: forward.hostPort, guestPort: forward.guestPort,
                transportProtocol: forward.transport == .udp ? .udp : .tcp, hostAddress: "\(forward.hostAddress)")
        }
    }

    /// - Throws: `PortForwardError`, for a port that cannot be published.
    func specification() throws(PortForwardError) -> UserNetworkSpecification {
        var specification = UserNetworkSpecification()
        specification.reachesHostLoopback = reachesHostLoopback
        specification.isOptional = isOptional
        for port in publishedPorts {
            let suffix = port.transportProtocol == .udp ? "/udp" : ""
            try specification.publish(PortForward("\(port.hostAddress):\(port.hostPort):\(port.guestPort)\(suffix)"))
        }
        return specification
    }
}

/// A tap interface of the host's, which the host bridges or routes as it likes.
public struct TapNetworkDeviceAttachment: NetworkDeviceAttachment, Equatable {
    /// The interface. Without a name a new one is made, which takes the right to administer networks (CAP_NET_ADMIN) and
    /// ends with the machine.
    public var interfaceName: String?

    /// An interface by name, or a new one.
    public init(interfaceName: String? = nil) { self.interfaceName = interfaceName }
}

/// A cable to another machine of Caisson's that is given the same path: the first listens there, the second connects.
public struct LinkNetworkDeviceAttachment: NetworkDeviceAttachment, Equatable {
    /// The Unix socket by which the two find each other. The machine that listens makes and removes it.
    public var path: FilePath

    /// A cable by the socket at `path`.
    public init(path: FilePath) { self.path = path }
}

/// The address of a network device: six bytes.
public struct MACAddress: Hashable, Sendable, CustomStringConvertible {
    let address: EthernetAddress

    /// The address that `string` says, as `52:54:00:12:34:56`; nil where it says none.
    public init?(string: String) {
        guard let address = EthernetAddress(string) else { return nil }
        self.address = address
    }

    init(_ address: EthernetAddress) { self.address = address }

    /// A random address that no maker of devices gives.
    public static func randomLocallyAdministered() -> MACAddress { MACAddress(.random()) }

    /// Whether it stands for several devices; none can have it then.
    public var isMulticastAddress: Bool { address.isMulticast }

    /// Six bytes in hexadecimal, with colons.
    public var string: String { address.description }

    /// The same as `string`.
    public var description: String { string }
}

/// A virtio network device: `eth0`, `eth1` … to Linux, in the order of the configuration.
public struct VirtioNetworkDeviceConfiguration: Sendable {
    /// What the device is connected to.
    public var attachment: any NetworkDeviceAttachment
    /// The device's address, which is a random one unless it is set.
    public var macAddress = MACAddress.randomLocallyAdministered()
    /// The most bytes of a packet, 68 to 65535; nil for those of the tap interface, 1500 for a link, and 65520 for a NAT
    /// network, whose cannot be changed.
    public var maximumTransmissionUnit: Int?
    /// The most that the guest sends a second, and the most that it gets: an operation is a packet. Nothing in it is no limit.
    public var rateLimit = RateLimit()

    /// A device that is connected to `attachment`.
    public init(attachment: any NetworkDeviceAttachment) { self.attachment = attachment }
}

extension VirtioNetworkDeviceConfiguration {
    /// What the device is made from; nil for an attachment that is none of Caisson's.
    var specification: NetworkSpecification? {
        var specification: NetworkSpecification
        switch attachment {
        case let nat as NATNetworkDeviceAttachment:
            guard let network = try? nat.specification() else { return nil }
            specification = NetworkSpecification(.user(network))
        case let tap as TapNetworkDeviceAttachment: specification = NetworkSpecification(.tap(name: tap.interfaceName))
        case let link as LinkNetworkDeviceAttachment:
            specification = NetworkSpecification(.link(path: link.path.string))
        default: return nil
        }
        specification.address = macAddress.address
        specification.mtu = maximumTransmissionUnit
        specification.rate = rateLimit.specification
        return specification
    }

    /// - Throws: `invalidConfiguration`.
    func validate() throws(VirtualMachineError) {
        func invalid(_ message: String) -> VirtualMachineError { VirtualMachineError(.invalidConfiguration, message) }
        if let nat = attachment as? NATNetworkDeviceAttachment {
            do throws(PortForwardError) { _ = try nat.specification() } catch { throw invalid("\(error)") }
            guard maximumTransmissionUnit == nil else {
                throw invalid("an MTU for a NAT network: its packets have up to \(UserNetwork.mtu) bytes")
            }
        }
        guard let specification else { throw invalid("a network device's attachment is none of Caisson's") }
        switch specification.attachment {
        case .tap(let name?) where !NetworkSpecification.isName(name):
            throw invalid("no network interface is called '\(name)'")
        case .link(let path) where path.isEmpty: throw invalid("a link between machines needs a path")
        default: break
        }
        guard macAddress.address.isUsable else { throw invalid("no network device has the address \(macAddress)") }
        if let mtu = maximumTransmissionUnit, !NetworkSpecification.mtus.contains(mtu) {
            throw invalid("an MTU of \(mtu) bytes: a network device has 68 to 65535")
        }
        try rateLimit.validate()
    }

    package init(_ specification: NetworkSpecification) {
        switch specification.attachment {
        case .user(let network): self.init(attachment: NATNetworkDeviceAttachment(network))
        case .tap(let name): self.init(attachment: TapNetworkDeviceAttachment(interfaceName: name))
        case .link(let path): self.init(attachment: LinkNetworkDeviceAttachment(path: FilePath(path)))
        }
        if let address = specification.address { macAddress = MACAddress(address) }
        maximumTransmissionUnit = specification.mtu
        rateLimit = RateLimit(specification.rate)
    }
}
