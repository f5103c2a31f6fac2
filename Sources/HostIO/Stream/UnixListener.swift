import CLinux
import HostResources
import Synchronization
import SystemPackage

/// A Unix stream socket that listens at a path, which goes with it.
final class UnixListener: Sendable {
    /// How long nobody is accepted after the process or the host had no descriptor for one more: who connects waits.
    static let pause = Duration.milliseconds(100)

    private struct Watch {
        let loop: EventLoop
        let registration: EventLoop.Registration
    }

    private struct State {
        var watch: Watch?
        var isStopped = false
    }

    private let socket: SharedFileDescriptor
    /// None of an abstract name, which goes by itself.
    private let path: String?
    private let identity: Identity?
    private let state = Mutex(State())

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

    /// Listens at an abstract name (unix(7)), which is free as soon as its process has ended, however that was. Clients of other
    /// users than this process's and root are turned away.
    init(abstract name: String) throws(HostError) {
        // SAFETY: a string is passed as a C string for the time of the call.
        let result = unsafe caisson_unix_listen_abstract(name)
        guard result >= 0 else { throw HostError("listen on", "@\(name)", Errno(rawValue: -result)) }
        socket = SharedFileDescriptor(OwnedFileDescriptor(owning: result))
        path = nil
        identity = nil
    }

    deinit { stop() }

    /// Hands each who connects to `accepted`, on `loop`, until `stop`.
    /// - Parameter isListening: whether from now on, or not before `setListening(true)`: who connects waits.
    func start(
        on loop: EventLoop, isListening: Bool = true,
        accepted: @escaping @Sendable (consuming OwnedFileDescriptor) -> Void
    ) throws(HostError) {
        let registration = try loop.register(socket.rawValue, for: isListening ? .readable : []) { [weak self] _ in
            self?.accept(accepted)
        }
        let isStopped = state.withLock { state in
            if !state.isStopped { state.watch = Watch(loop: loop, registration: registration) }
            return state.isStopped
        }
        if isStopped { loop.remove(registration) }
    }

    /// Whether those who connect are handed over, or wait.
    func setListening(_ isListening: Bool) {
        withWatch { $0.loop.setInterest(isListening ? .readable : [], of: $0.registration) }
    }

    /// Nobody is handed over any more, and the path goes, unless it is another's by now.
    func stop() {
        let (watch, isFirst) = state.withLock { state in
            defer { state = State(isStopped: true) }
            return (state.watch, !state.isStopped)
        }
        if let watch { watch.loop.remove(watch.registration) }
        // SAFETY: a string is passed as a C string for the time of the call.
        if isFirst, let path, let identity, identity == Self.identity(path) { _ = unsafe unlink(path) }
    }

    private func withWatch(_ body: (Watch) -> Void) {
        state.withLock { state in
            if let watch = state.watch { body(watch) }
        }
    }

    private func accept(_ accepted: (consuming OwnedFileDescriptor) -> Void) {
        let raw = caisson_accept(socket.rawValue)
        if raw >= 0 {
            let client = OwnedFileDescriptor(owning: raw)
            if path != nil || Self.isTrusted(raw) { accepted(client) }
            return
        }
        // Nobody is there after all.
        if [EAGAIN, EINTR, ECONNABORTED].contains(-raw) { return }
        // There is no descriptor, or no memory, for one more. The socket stays readable meanwhile.
        withWatch { $0.loop.pause($0.registration, for: Self.pause) }
    }

    /// Whether a client is of this process's user, or root.
    private static func isTrusted(_ client: Int32) -> Bool {
        var user: UInt32 = .max
        // SAFETY: the variable is written during the call.
        return unsafe caisson_unix_peer(client, &user) >= 0 && (user == geteuid() || user == 0)
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
