import CLinux
import HostResources
import SystemPackage

/// A console on a Unix socket, for one client at a time. Others are told so and sent away.
final class SocketSide: ConsoleSide {
    private static let refusal = "another client has this console\r\n"

    private let path: String
    private let queues: ConsoleQueues
    private let loop: EventLoop
    private let registration: EventLoop.Registration
    private let identity: Identity?

    private struct Identity: Equatable {
        let device: DeviceID
        let inode: Inode
    }

    /// Listens at `path`. A socket that nobody listens at any more is replaced.
    init(_ queues: ConsoleQueues, path: String, loop: EventLoop) throws(HostError) {
        let listener = SharedFileDescriptor(try Self.listen(path))
        registration = try loop.register(listener.rawValue, for: []) { _ in Self.accept(listener, queues) }
        self.path = path
        self.queues = queues
        self.loop = loop
        identity = Self.identity(path)
    }

    func start() { loop.setInterest(.readable, of: registration) }

    func inputEnded() { queues.detach() }

    /// What the client sent before it left is still to be read; the end of that ends the connection.
    func outputFailed(_ errno: Errno) {}

    func stop() {
        loop.remove(registration)
        // SAFETY: a string is passed as a C string for the time of the call.
        if let identity, identity == Self.identity(path) { _ = unsafe unlink(path) }
    }

    private static func accept(_ listener: SharedFileDescriptor, _ queues: ConsoleQueues) {
        let raw = caisson_accept(listener.rawValue)
        guard raw >= 0 else { return }
        let client = HostStream(OwnedFileDescriptor(owning: raw), .socket)
        guard !queues.isAttached else {
            _ = client.write(Array(refusal.utf8).span)
            return
        }
        do {
            try queues.output.attach(HostStream(duplicating: raw, .socket))
            try queues.input.attach(client)
        } catch {
            queues.detach()
        }
    }

    private static func listen(_ path: String) throws(HostError) -> OwnedFileDescriptor {
        // SAFETY: a string is passed as a C string for the time of each call.
        var result = unsafe caisson_unix_listen(path)
        if result == -EADDRINUSE, isStale(path) {
            _ = unsafe unlink(path)
            result = unsafe caisson_unix_listen(path)
        }
        guard result >= 0 else { throw HostError("listen on", path, Errno(rawValue: -result)) }
        return OwnedFileDescriptor(owning: result)
    }

    /// Whether `path` is a socket that nobody listens at.
    private static func isStale(_ path: String) -> Bool {
        // SAFETY: a string is passed as a C string for the time of the call.
        let result = unsafe caisson_unix_connect(path)
        if result >= 0 { close(result) }
        // Other files than sockets refuse a connection alike.
        return result == -ECONNREFUSED && identity(path) != nil
    }

    /// What tells the socket at `path` from another; `nil` for what is no socket.
    private static func identity(_ path: String) -> Identity? {
        guard let status = try? FilePath(path).stat(followTargetSymlink: false), status.type == .socket else {
            return nil
        }
        return Identity(device: status.deviceID, inode: status.inode)
    }
}
