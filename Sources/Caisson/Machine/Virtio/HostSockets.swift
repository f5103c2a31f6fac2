import CLinux
import Devices
import HostIO
import HostResources
import Synchronization
import SystemPackage
import Virtio

/// The host's side of a machine's socket device: listeners in this process, and Unix sockets for other processes. It lasts
/// over the guest's resets.
final class HostSockets: SocketHost {
    private struct Reference {
        /// The device since the last power-on.
        weak var device: VirtioSocket?
    }

    private let guestCID: UInt64
    private let path: String?
    private let owner: VirtioSocketDevice
    private let loop: EventLoop
    private let alarm: DeviceAlarm
    private let current = Mutex(Reference())
    private let server = Mutex<LineServer?>(nil)

    /// Listens at the configuration's path.
    /// - Parameters:
    ///   - owner: has the listeners of this process.
    ///   - loop: serves the device.
    init(
        _ configuration: VirtioSocketDeviceConfiguration, owner: VirtioSocketDevice, loop: EventLoop
    ) throws(HostError) {
        guestCID = UInt64(configuration.contextIdentifier)
        path = configuration.path?.string
        self.owner = owner
        self.loop = loop
        alarm = try DeviceAlarm(on: loop)
        alarm.setHandler { [weak self] in self?.device?.timerExpired() }
        if let path {
            let server = try LineServer(path: path, loop: loop) { [weak self] client, request in
                self?.serve(client, request)
            }
            self.server.withLock { $0 = server }
        }
        owner.setSockets(self)
    }

    deinit { close() }

    /// Nobody can connect any more.
    func close() {
        owner.setSockets(nil)
        server.withLock { $0.take() }?.close()
    }

    /// The device after a power-on.
    func makeDevice() -> VirtioSocket {
        let device = VirtioSocket(guestCID: guestCID, host: self, timer: alarm)
        current.withLock { $0.device = device }
        return device
    }

    private var device: VirtioSocket? { current.withLock { $0.device } }

    // MARK: From the host to the guest

    private func serve(_ client: consuming OwnedFileDescriptor, _ request: LineServer.Request) {
        guard case .connect(let port) = request else {
            return client.sendLine("ERROR expected a line CONNECT and a port from 0 to 4294967294")
        }
        connect(client, toPort: port)
    }

    /// Answers a client by a line, behind which it is the guest's.
    func connect(_ client: consuming OwnedFileDescriptor, toPort port: UInt32) {
        let socket = makeSocket(client)
        connect(socket, toPort: port) { answer in
            switch answer {
            case .accepted(let hostPort): socket.writeLine("OK \(hostPort)")
            default: socket.writeLine("ERROR \(answer.refusal(port: port))")
            }
        }
    }

    func connect(toPort port: UInt32) async throws(VirtualMachineError) -> VirtioSocketConnection {
        var other: OwnedFileDescriptor?
        let socket: HostSocket
        do { socket = try makeSocket(pairedWith: &other) } catch { throw VirtualMachineError(error) }
        let answer = await withCheckedContinuation { continuation in
            connect(socket, toPort: port) { continuation.resume(returning: $0) }
        }
        guard case .accepted(let hostPort) = answer, let other = other.take() else {
            throw VirtualMachineError(.connectionFailure, answer.refusal(port: port))
        }
        return VirtioSocketConnection(other, sourcePort: hostPort, destinationPort: port)
    }

    private func connect(_ socket: HostSocket, toPort port: UInt32, answer: @escaping @Sendable (SocketAnswer) -> Void)
    {
        guard let device else { return answer(.notReady) }
        device.connect(HostSocketStream(socket), toPort: port, answer: answer)
    }

    // MARK: From the guest to the host

    func openStream(port: UInt32, fromGuestPort guestPort: UInt32) -> (any SocketStream)? {
        if let listener = owner.listener(forPort: port) {
            var other: OwnedFileDescriptor?
            guard let socket = try? makeSocket(pairedWith: &other), let other = other.take() else { return nil }
            let connection = VirtioSocketConnection(other, sourcePort: guestPort, destinationPort: port)
            return listener.offer(connection) ? HostSocketStream(socket) : nil
        }
        guard let path, let socket = try? OwnedFileDescriptor(connectingTo: "\(path)_\(port)") else { return nil }
        return HostSocketStream(makeSocket(socket))
    }

    private func makeSocket(pairedWith other: inout OwnedFileDescriptor?) throws(HostError) -> HostSocket {
        try HostSocket(pairedWith: &other, keepingAtMost: Int(VirtioSocket.bufferSize), loop: loop)
    }

    private func makeSocket(_ descriptor: consuming OwnedFileDescriptor) -> HostSocket {
        HostSocket(descriptor, keepingAtMost: Int(VirtioSocket.bufferSize), loop: loop)
    }
}

extension SocketAnswer {
    /// One line: why there is no connection.
    fileprivate func refusal(port: UInt32) -> String {
        switch self {
        case .accepted: "the guest accepted the connection"
        case .refused: "nobody in the guest listens at port \(port)"
        case .timedOut: "the guest did not answer within ten seconds"
        case .notReady: "the guest has not started its socket device"
        case .tooMany: "there are \(VirtioSocket.connectionLimit) connections already, the most at a time"
        }
    }
}

/// A socket of the host's as a device's stream.
private final class HostSocketStream: SocketStream {
    private let socket: HostSocket

    init(_ socket: HostSocket) { self.socket = socket }

    func start(changed: @escaping @Sendable () -> Void) {
        // A host that cannot wait for one more descriptor: the connection ends at once.
        do throws(HostError) { try socket.start(changed: changed) } catch { socket.close() }
    }

    // SAFETY: here and in `write`, the buffers are in place as long as the call lasts.
    func read(into buffers: GuestBuffers) -> SocketRead {
        switch unsafe socket.read(into: buffers.segments) {
        case .bytes(let count): .bytes(count)
        case .nothing: .nothing
        case .end: .end
        }
    }

    func write(_ buffers: GuestBuffers) {
        unsafe socket.write(buffers.segments, byteCount: Int(buffers.byteCount))
    }

    var keptByteCount: Int { socket.keptByteCount }
    var isOutputGone: Bool { socket.isOutputGone }
    func setReading(_ isReading: Bool) { socket.setReading(isReading) }
    func endOutput() { socket.endOutput() }
    func endInput() { socket.endInput() }
    func close() { socket.close() }
}
