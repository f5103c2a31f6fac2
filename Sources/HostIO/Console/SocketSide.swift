import CLinux
import HostResources
import SystemPackage

/// A console on a Unix socket, for one client at a time. Others are told so and sent away.
final class SocketSide: ConsoleSide {
    private static let refusal = "another client has this console\r\n"

    private let listener: UnixListener
    private let queues: ConsoleQueues

    /// Listens at `path`. A socket that nobody listens at any more is replaced.
    init(_ queues: ConsoleQueues, path: String, loop: EventLoop) throws(HostError) {
        listener = try UnixListener(path)
        self.queues = queues
        try listener.start(on: loop, isListening: false) { Self.serve($0, queues) }
    }

    func start() { listener.setListening(true) }

    func inputEnded() { queues.detach() }

    /// What the client sent before it left is still to be read; the end of that ends the connection.
    func outputFailed(_ errno: Errno) {}

    func stop() { listener.stop() }

    private static func serve(_ accepted: consuming OwnedFileDescriptor, _ queues: ConsoleQueues) {
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
