import CLinux
import HostResources
import SystemPackage

/// A Unix stream socket that listens at a path, which goes with it.
final class UnixListener: Sendable {
    private let socket: SharedFileDescriptor
    private let path: String
    private let identity: Identity?

    private struct Identity: Equatable {
        let device: DeviceID
        let inode: Inode
    }

    /// Listens at `path`. A socket that nobody listens at any more is replaced.
    init(_ path: String) throws(HostError) {
        // SAFETY: a string is passed as a C string for the time of each call.
        var result = unsafe caisson_unix_listen(path)
        if result == -EADDRINUSE, Self.isStale(path) {
            _ = unsafe unlink(path)
            result = unsafe caisson_unix_listen(path)
        }
        guard result >= 0 else { throw HostError("listen on", path, Errno(rawValue: -result)) }
        socket = SharedFileDescriptor(OwnedFileDescriptor(owning: result))
        self.path = path
        identity = Self.identity(path)
    }

    /// Readable when somebody wants to connect.
    var descriptor: Int32 { socket.rawValue }

    /// The next who wants to connect; nil if there is none.
    func accept() -> OwnedFileDescriptor? {
        let raw = caisson_accept(socket.rawValue)
        return raw >= 0 ? OwnedFileDescriptor(owning: raw) : nil
    }

    /// Takes the path away, unless it is another's by now.
    func removePath() {
        // SAFETY: a string is passed as a C string for the time of the call.
        if let identity, identity == Self.identity(path) { _ = unsafe unlink(path) }
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
