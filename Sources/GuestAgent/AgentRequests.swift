/// How a guest's agent is to make its root file system: a read-only disk, under a layer that takes what is written.
package struct GuestSetup: Equatable, Sendable {
    /// An IPv4 network that needs no asking. Addresses are numbers, 10.0.2.15 is 0x0a00_020f.
    package struct Network: Equatable, Sendable {
        package var address: UInt32
        package var gateway: UInt32
        package var nameServer: UInt32
        package var prefixLength: UInt8

        package init(address: UInt32, gateway: UInt32, nameServer: UInt32, prefixLength: UInt8) {
            self.address = address
            self.gateway = gateway
            self.nameServer = nameServer
            self.prefixLength = prefixLength
        }
    }

    /// Since 1970.
    package struct Time: Equatable, Sendable {
        package var seconds: UInt64
        package var nanoseconds: UInt32

        package init(seconds: UInt64, nanoseconds: UInt32) {
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }
    }

    /// Nil leaves the guest's clock alone.
    package var time: Time?
    package var network: Network?
    /// The root's device, as in `/dev/vda`.
    package var device: String
    /// As mount(8) calls it.
    package var type: String
    /// For mount(2), besides being read-only.
    package var options: String
    package var hostName: String
    /// The device of an ext4 file system that takes what is written, and keeps it; memory otherwise.
    package var layer: String?

    package init(device: String, type: String, options: String = "", hostName: String) {
        self.device = device
        self.type = type
        self.options = options
        self.hostName = hostName
    }

    func write(to frames: inout FrameWriter) {
        frames.begin(.setup)
        frames.append(time?.seconds ?? 0)
        frames.append(time?.nanoseconds ?? 0)
        frames.append(UInt32(0))
        for address in [network?.address, network?.gateway, network?.nameServer] {
            // The first byte comes first.
            frames.append((address ?? 0).byteSwapped)
        }
        frames.append(network?.prefixLength ?? 0)
        // Without a layer's device memory is taken.
        let layer = (device: self.layer ?? "", type: self.layer == nil ? "tmpfs" : "ext4")
        for text in [device, type, options, layer.device, layer.type, hostName] { frames.append(text: text) }
        frames.end()
    }
}

/// Files of the host's for a place in the guest.
package struct GuestCopy: Equatable, Sendable {
    /// Of an EROFS file system with them as `content`.
    package var device: String
    /// What they are called on the host.
    package var name: String
    /// An absolute path; with a slash at its end, of the directory in which they go.
    package var destination: String
    /// Whether they outlive the device.
    package var isKept: Bool

    package init(device: String, name: String, destination: String, isKept: Bool = false) {
        self.device = device
        self.name = name
        self.destination = destination
        self.isKept = isKept
    }

    func write(to frames: inout FrameWriter) {
        frames.begin(.copy)
        frames.append(UInt32(isKept ? 1 : 0))
        for text in [device, name, destination] { frames.append(text: text) }
        frames.end()
    }
}

/// A command for a guest's agent.
package struct CommandRequest: Equatable, Sendable {
    /// The size of a terminal's window, in characters.
    package struct WindowSize: Equatable, Sendable {
        package var rows: UInt16
        package var columns: UInt16

        package init(rows: UInt16, columns: UInt16) {
            self.rows = rows
            self.columns = columns
        }
    }

    /// The program, found by PATH unless there is a slash in it, and what it is called with.
    package var arguments: [String]
    /// Words `NAME=VALUE`.
    package var environment: [String] = []
    /// Empty: the root directory. Made where it is not there.
    package var workingDirectory = ""
    /// A name or number, which `:GROUP` may follow; empty: root.
    package var user = ""
    /// Of the terminal that the streams are; nil for streams apart.
    package var terminal: WindowSize?
    /// Otherwise it is empty.
    package var hasInput = false
    /// Whether all that was written is on the disks when its end is told.
    package var isSynchronized = false

    package init(arguments: [String]) { self.arguments = arguments }

    /// Bytes of its payload.
    package var size: Int {
        (arguments + environment + [workingDirectory, user]).reduce(24) { $0 + $1.utf8.count + 1 }
    }

    func write(to frames: inout FrameWriter) {
        frames.begin(.run)
        frames.append(UInt8((hasInput ? 1 : 0) | (terminal == nil ? 0 : 2) | (isSynchronized ? 4 : 0)))
        for _ in 0..<3 { frames.append(UInt8(0)) }
        frames.append(terminal?.rows ?? 0)
        frames.append(terminal?.columns ?? 0)
        frames.append(UInt32(AgentProtocol.outputWindow))
        frames.append(UInt32(AgentProtocol.outputWindow))
        frames.append(UInt32(arguments.count))
        frames.append(UInt32(environment.count))
        for text in [user, workingDirectory] + arguments + environment { frames.append(text: text) }
        frames.end()
    }
}

/// How a command ended.
package struct CommandEnd: Equatable, Sendable {
    package enum Status: Equatable, Sendable {
        case exited(UInt8)
        case signaled(UInt8)
    }

    package var status: Status
    /// CPU time in microseconds, its children's that it waited for included.
    package var userTime: UInt64
    package var systemTime: UInt64
    /// The most memory that it had, in KiB.
    package var maximumResidentSize: UInt64

    init(_ payload: inout PayloadReader) throws(AgentProtocolError) {
        let exitStatus = try payload.number(UInt8.self)
        let signal = try payload.number(UInt8.self)
        _ = try payload.number(UInt16.self)
        status = signal == 0 ? .exited(exitStatus) : .signaled(signal & 0x7f)
        userTime = try payload.number()
        systemTime = try payload.number()
        maximumResidentSize = try payload.number()
        try payload.end()
    }
}
