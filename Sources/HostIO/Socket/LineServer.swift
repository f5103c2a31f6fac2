import CLinux
package import HostResources
import Synchronization
import SystemPackage

/// Listens for clients that say by a line what they want, for instance `CONNECT PORT`, as with other monitors.
package final class LineServer: Sendable {
    /// Clients that have not said it all yet; where there are more, the oldest goes.
    package static let clientLimit = 64
    /// Bytes of a line, its end included.
    private static let lineLimit = 32

    /// What a client wants.
    package enum Request: Equatable, Sendable {
        /// `CONNECT PORT`: to be connected with a port of the guest's.
        case connect(port: UInt32)
        /// Another word in capitals.
        case word(String)
        /// What nobody understands.
        case unknown
    }

    /// Who has not said it all yet.
    private final class Client: Sendable {
        private struct State: ~Copyable {
            var socket: OwnedFileDescriptor?
            var registration: EventLoop.Registration?
            var line: [UInt8] = []
        }

        enum Progress {
            case waiting
            case said([UInt8])
            case gone
        }

        private let loop: EventLoop
        private let state: Mutex<State>

        init(_ socket: consuming OwnedFileDescriptor, loop: EventLoop) {
            self.loop = loop
            state = Mutex(State(socket: socket))
        }

        func start(ready: @escaping @Sendable () -> Void) throws(HostError) {
            try state.withLock { state throws(HostError) in
                guard let raw = state.socket?.rawValue else { return }
                state.registration = try loop.register(raw, for: .readable) { _ in ready() }
            }
        }

        /// Reads to the end of the line and no further: what comes behind it is for the guest.
        func read() -> Progress {
            state.withLock { state in
                while let raw = state.socket?.rawValue {
                    var byte: UInt8 = 0
                    // SAFETY: one byte.
                    let count = unsafe caisson_receive(raw, &byte, 1)
                    if count == -Int64(EAGAIN) || count == -Int64(EINTR) { return .waiting }
                    guard count == 1 else { return .gone }
                    state.line.append(byte)
                    if byte == UInt8(ascii: "\n") || state.line.count == LineServer.lineLimit {
                        return .said(state.line)
                    }
                }
                return .gone
            }
        }

        /// It is waited for no more: its socket, once.
        func end() -> OwnedFileDescriptor? {
            state.withLock { state in
                if let registration = state.registration.take() { loop.remove(registration) }
                return state.socket.take()
            }
        }
    }

    private struct State {
        var clients: [Int: Client] = [:]
        var nextNumber = 0
    }

    private let loop: EventLoop
    private let listener: UnixListener
    private let serve: @Sendable (consuming OwnedFileDescriptor, Request) -> Void
    private let state = Mutex(State())

    /// Listens at `path` until `close()`.
    /// - Parameter serve: gets each client that said its line, and answers it; called on the loop.
    package convenience init(
        path: String, loop: EventLoop, serve: @escaping @Sendable (consuming OwnedFileDescriptor, Request) -> Void
    ) throws(HostError) {
        try self.init(UnixListener(path), loop, serve)
    }

    /// Listens at an abstract name, for this user's clients and root's, until `close()`.
    /// - Parameter serve: gets each client that said its line, and answers it; called on the loop.
    package convenience init(
        abstract name: String, loop: EventLoop,
        serve: @escaping @Sendable (consuming OwnedFileDescriptor, Request) -> Void
    ) throws(HostError) {
        try self.init(UnixListener(abstract: name), loop, serve)
    }

    private init(
        _ listener: UnixListener, _ loop: EventLoop,
        _ serve: @escaping @Sendable (consuming OwnedFileDescriptor, Request) -> Void
    ) throws(HostError) {
        self.listener = listener
        self.loop = loop
        self.serve = serve
        try listener.start(on: loop) { [weak self] in self?.welcome($0) }
    }

    deinit { close() }

    /// Ends listening, and lets go of the clients that did not name a port yet.
    package func close() {
        listener.stop()
        let clients = state.withLock { exchange(&$0.clients, with: [:]) }
        for client in clients.values { _ = client.end() }
    }

    // MARK: On the loop

    private func welcome(_ accepted: consuming OwnedFileDescriptor) {
        let client = Client(accepted, loop: loop)
        let (number, oldest) = state.withLock { state in
            let number = state.nextNumber
            state.nextNumber += 1
            state.clients[number] = client
            let oldest = state.clients.count > Self.clientLimit ? state.clients.keys.min() : nil
            return (number, oldest)
        }
        if let oldest { _ = take(oldest) }
        do throws(HostError) { try client.start { [weak self] in self?.read(number, client) } } catch {
            _ = take(number)
        }
    }

    private func read(_ number: Int, _ client: Client) {
        switch client.read() {
        case .waiting: break
        case .gone: _ = take(number)
        case .said(let line):
            guard let socket = take(number) else { return }
            serve(socket, Request(line))
        }
    }

    /// A client's socket, which this server has nothing to do with any more.
    private func take(_ number: Int) -> OwnedFileDescriptor? {
        state.withLock { $0.clients.removeValue(forKey: number) }?.end()
    }
}

extension LineServer.Request {
    /// - Parameter line: with its end, if it came.
    init(_ line: [UInt8]) {
        self = .unknown
        var words = line[...]
        guard words.popLast() == UInt8(ascii: "\n") else { return }
        if words.last == UInt8(ascii: "\r") { words.removeLast() }
        let command = Array("CONNECT ".utf8)
        guard words.starts(with: command) else {
            if !words.isEmpty, words.allSatisfy((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains) {
                self = .word(String(decoding: words, as: UTF8.self))
            }
            return
        }
        let digits = words.dropFirst(command.count)
        guard !digits.isEmpty, digits.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains),
            let port = UInt32(String(decoding: digits, as: UTF8.self)), port != .max
        else { return }
        self = .connect(port: port)
    }
}
