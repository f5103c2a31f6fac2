import Devices
package import HostIO

/// A virtio console device: consoles and streams with names, each a port of the device.
///
/// With one port that is a console, the guest also learns the size of the terminal at its other end.
public struct VirtioConsoleDeviceConfiguration: Sendable {
    /// In the order of their numbers; consoles are `hvc0` and so on to Linux. 1 to `maximumAllowedPortCount`.
    public var ports: [VirtioConsolePortConfiguration]

    /// A device with these ports.
    public init(ports: [VirtioConsolePortConfiguration]) { self.ports = ports }

    /// The most ports of a device.
    public static var maximumAllowedPortCount: Int { VirtioConsole.portLimit }

    func validate() throws(VirtualMachineError) {
        func invalid(_ message: String) -> VirtualMachineError { VirtualMachineError(.invalidConfiguration, message) }
        guard (1...Self.maximumAllowedPortCount).contains(ports.count) else {
            throw invalid("\(ports.count) ports: a console device has 1 to \(Self.maximumAllowedPortCount)")
        }
        let names = ports.compactMap(\.name)
        if let name = names.first(where: { !ConsolePortSpecification.isName($0) }) {
            throw invalid("a console device's port cannot be called '\(name)'")
        }
        if let name = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw invalid("two ports of a console device are called '\(name)'")
        }
        guard ports.allSatisfy({ $0.attachment.source != nil }) else {
            throw invalid("a console port's attachment is none of Caisson's")
        }
    }
}

/// A port of a virtio console device.
public struct VirtioConsolePortConfiguration: Sendable {
    /// What the guest finds the port by, in `/dev/virtio-ports`: 1 to 63 visible ASCII characters without `/`.
    public var name: String?
    /// Whether it is one of the guest's consoles.
    public var isConsole: Bool
    /// Where the port's line ends.
    public var attachment: any SerialPortAttachment

    /// A port whose line ends at `attachment`: a console, or with a name, a stream.
    public init(name: String? = nil, attachment: any SerialPortAttachment) {
        self.name = name
        isConsole = name == nil
        self.attachment = attachment
    }

    package init(_ specification: ConsolePortSpecification) {
        self.init(name: specification.name, attachment: SpecifiedSerialPortAttachment(specification.console))
    }
}
