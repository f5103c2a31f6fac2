import HostIO
import HostResources
import Synchronization
public import SystemPackage

/// A machine's socket device, for connections with its guest: `VirtualMachine.socketDevices`. It lasts as long as the
/// machine, over its starts and stops.
public final class VirtioSocketDevice: Sendable {
    private struct State {
        var listeners: [UInt32: VirtioSocketListener] = [:]
        /// While the machine is up.
        var sockets: HostSockets?
    }

    private let state = Mutex(State())

    init() {}

    /// Connects with `port` of the guest's.
    /// - Throws: `invalidState` while the machine does not run; `connectionFailure` where nobody in the guest listens there,
    ///   or the guest does not answer within ten seconds.
    public func connect(toPort port: UInt32) async throws(VirtualMachineError) -> VirtioSocketConnection {
        guard let sockets = state.withLock({ $0.sockets }) else {
            throw VirtualMachineError(.invalidState, "the machine is not running: its guest cannot be connected with")
        }
        return try await sockets.connect(toPort: port)
    }

    /// Connects a client of another process's, which is told by a line how that went.
    func connect(_ client: consuming OwnedFileDescriptor, toPort port: UInt32) {
        guard let sockets = state.withLock({ $0.sockets }) else {
            return client.sendLine("ERROR the machine is not running")
        }
        sockets.connect(client, toPort: port)
    }

    /// Has `listener` get what connects in the guest to `port` of the host's, in place of any listener before.
    public func setSocketListener(_ listener: VirtioSocketListener, forPort port: UInt32) {
        state.withLock { $0.listeners[port] = listener }
    }

    /// Nobody listens at `port` any more. Connections that there are stay.
    public func removeSocketListener(forPort port: UInt32) {
        // What it keeps alive may end with it: that is for after the lock.
        let old = state.withLock { $0.listeners.removeValue(forKey: port) }
        withExtendedLifetime(old) {}
    }

    func setSockets(_ sockets: HostSockets?) { state.withLock { $0.sockets = sockets } }

    func listener(forPort port: UInt32) -> VirtioSocketListener? { state.withLock { $0.listeners[port] } }
}

/// Gets the guest's connections to a port of the host's.
///
///     let listener = VirtioSocketListener()
///     machine.socketDevices[0].setSocketListener(listener, forPort: 52)
///     for await connection in listener.connections { … }
public final class VirtioSocketListener: Sendable {
    /// Connections that wait to be taken; the guest is refused more.
    public static let backlog = 64

    /// The connections as they come, for one reader.
    public let connections: AsyncStream<VirtioSocketConnection>
    private let source: AsyncStream<VirtioSocketConnection>.Continuation
    /// Gets the connections instead, and refuses them by false.
    private let handler: (@Sendable (VirtioSocketConnection) -> Bool)?

    /// A listener that is set for no port yet.
    public convenience init() { self.init(handler: nil) }

    init(handler: (@Sendable (VirtioSocketConnection) -> Bool)?) {
        (connections, source) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.backlog))
        self.handler = handler
    }

    deinit { source.finish() }

    /// False where the connection cannot wait for anybody.
    func offer(_ connection: VirtioSocketConnection) -> Bool {
        if let handler { return handler(connection) }
        return if case .enqueued = source.yield(connection) { true } else { false }
    }
}

/// A stream between the host and the guest.
public final class VirtioSocketConnection: Sendable {
    /// The port at the side that connected.
    public let sourcePort: UInt32
    /// The port at the side that listened.
    public let destinationPort: UInt32
    private let socket: Mutex<OwnedFileDescriptor?>

    init(_ socket: consuming OwnedFileDescriptor, sourcePort: UInt32, destinationPort: UInt32) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.socket = Mutex(consume socket)
    }

    /// A stream socket, to be read and written as any other: half of it can be shut down. It is open until `close()` or
    /// until nobody holds the connection; -1 afterwards.
    public var fileDescriptor: FileDescriptor {
        FileDescriptor(rawValue: socket.withLock { $0?.rawValue ?? -1 })
    }

    /// Gives the socket away; nil once it is closed.
    func takeSocket() -> OwnedFileDescriptor? { socket.withLock { $0.take() } }

    /// Ends the connection.
    public func close() { socket.withLock { _ = $0.take() } }
}
