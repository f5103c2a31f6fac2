import CLinux
import HostResources
import SystemPackage

/// A console on a Unix socket, for one client at a time. Others are told so and sent away.
final class SocketSide: ConsoleSide {
    private static let refusal = "another client has this console\r\n"

    private let listener: UnixListener
    private let queues: ConsoleQueues
    private let loop: EventLoop
    private let registration: EventLoop.Registration

    /// Listens at `path`. A socket that nobody listens at any more is replaced.
    init(_ queues: ConsoleQueues, path: String, loop: EventLoop) throws(HostError) {
        let listener = try UnixListener(path)
        registration = try loop.register(listener.descriptor, for: []) { _ in Self.accept(listener, queues) }
        self.listener = listener
        self.queues = queues
        self.loop = loop
    }

    func start() { loop.setInterest(.readable, of: registration) }

    func inputEnded() { queues.detach() }

    /// What the client sent before it left is still to be read; the end of that ends the connection.
    func outputFailed(_ errno: Errno) {}

    func stop() {
        loop.remove(registration)
        listener.removePath()
    }

    private static func accept(_ listener: UnixListener, _ queues: ConsoleQueues) {
        guard let accepted = listener.accept() else { return }
        let raw = accepted.rawValue
        let client = HostStream(accepted, .socket)
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
}
