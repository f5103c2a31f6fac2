import CLinux
import HostResources
import Synchronization
import SystemPackage

/// A cable between two machines, by the path of a Unix socket: the one that comes first listens, the other connects. When
/// one leaves, the other waits for the next; when the one that listened leaves, the other listens.
package final class LinkSource: FrameSource {
    /// A pause between attempts: a peer that ends each connection at once is not to keep this side busy.
    private static let pause: UInt64 = 500_000_000

    private enum Meeting {
        case listening(UnixListener)
        case connected(SharedFileDescriptor)
    }

    private struct State {
        var meeting: Meeting?
        var timer: LoopTimer?
        var loop: EventLoop?
        var connected: (@Sendable (SharedFileDescriptor) -> Void)?
        var isStopped = false
    }

    package let name: String
    private let path: String
    private let state = Mutex(State())

    /// Connects to who is at `path`, or waits there.
    package init(path: String) throws(NetworkError) {
        self.path = path
        name = "network link \(path)"
        let meeting = try Self.meet(path)
        state.withLock { $0.meeting = meeting }
    }

    /// Only one at a time looks who is there and begins to listen: two of them could each find nobody.
    private static func meet(_ path: String) throws(NetworkError) -> Meeting {
        do throws(HostError) {
            let directory = FilePath(path).removingLastComponent()
            // SAFETY: a string is passed as a C string for the time of each call.
            let locked = unsafe caisson_lock_directory(directory.isEmpty ? "." : directory.string)
            guard locked >= 0 else { throw HostError("open the directory of", path, Errno(rawValue: -locked)) }
            let lock = OwnedFileDescriptor(owning: locked)
            defer { withExtendedLifetime(lock) {} }
            let result = unsafe caisson_unix_connect(path)
            if result >= 0 { return .connected(SharedFileDescriptor(OwnedFileDescriptor(owning: result))) }
            guard [-ENOENT, -ECONNREFUSED].contains(result) else {
                throw HostError("connect to", path, Errno(rawValue: -result))
            }
            return .listening(try UnixListener(path))
        } catch { throw .refused(error) }
    }

    package func start(on loop: EventLoop, connected: @escaping @Sendable (SharedFileDescriptor) -> Void) {
        state.withLock { state in
            state.loop = loop
            state.connected = connected
        }
        loop.submit { [weak self] in self?.proceed() }
    }

    // On the loop, here and below.

    /// Hands over the connection, or waits for one.
    private func proceed() {
        let (meeting, loop, connected) = state.withLock { ($0.meeting, $0.loop, $0.connected) }
        switch meeting {
        case .connected(let socket): connected?(socket)
        case .listening(let listener):
            guard let loop else { return }
            do throws(HostError) {
                try listener.start(on: loop) { [weak self] in self?.accept($0) }
            } catch {
                listener.stop()
                retryLater()
            }
        case nil: break
        }
    }

    private func accept(_ accepted: consuming OwnedFileDescriptor) {
        // Others wait until this one leaves.
        listener?.setListening(false)
        state.withLock { $0.connected }?(SharedFileDescriptor(accepted))
    }

    package func connectionEnded() {
        if let listener { return listener.setListening(true) }
        state.withLock { $0.meeting = nil }
        retryLater()
    }

    private var listener: UnixListener? {
        if case .listening(let listener) = state.withLock({ $0.meeting }) { listener } else { nil }
    }

    private func retryLater() {
        state.withLock { state in
            guard !state.isStopped, let loop = state.loop else { return }
            if state.timer == nil { state.timer = try? LoopTimer(on: loop) { [weak self] in self?.retry() } }
            state.timer?.schedule(after: Self.pause)
        }
    }

    private func retry() {
        guard let meeting = try? Self.meet(path) else { return retryLater() }
        let isStopped = state.withLock { state in
            if !state.isStopped { state.meeting = meeting }
            return state.isStopped
        }
        if isStopped, case .listening(let listener) = meeting { return listener.stop() }
        proceed()
    }

    package func stop() {
        let (meeting, timer) = state.withLock { state in
            defer {
                state.isStopped = true
                state.meeting = nil
                state.timer = nil
            }
            return (state.meeting, state.timer)
        }
        if case .listening(let listener) = meeting { listener.stop() }
        withExtendedLifetime(timer) {}
    }
}
