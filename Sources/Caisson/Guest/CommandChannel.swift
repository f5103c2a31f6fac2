package import GuestAgent
package import HostIO
package import HostResources
import Synchronization

/// Hears of a command: one call at a time, on the channel's loop.
package protocol CommandObserver: AnyObject, Sendable {
    func commandStarted(process: UInt32)
    /// Output, of which `CommandChannel.consumed` is to be told.
    func commandWrote(_ bytes: [UInt8], to stream: CommandStream)
    /// There is no more output; or nobody reads the input.
    func commandClosed(_ stream: CommandStream)
    /// After `CommandChannel.write` took less than all, it takes more.
    func commandTakesInput()
    /// The last call.
    func commandEnded(_ outcome: Result<CommandEnd, VirtualMachineError>)
}

/// One command and its connection with the guest's agent. It can be used before there is a connection, and after it.
package final class CommandChannel: Sendable {
    private struct State: ~Copyable {
        var stream: HostStream?
        var registration: EventLoop.Registration?
        var session = AgentSession()
        /// Nil once the end was told.
        var observer: (any CommandObserver)?
        var buffer: [UInt8] = []
        /// Whether the guest has not heard of anything else.
        var isFirst = false
    }

    private static let chunk = 64 << 10

    private let request: CommandRequest
    private let preparation: GuestPreparation
    private let loop: EventLoop
    private let state: Mutex<State>

    init(
        _ request: CommandRequest, preparation: GuestPreparation, loop: EventLoop, observer: any CommandObserver
    ) {
        self.request = request
        self.preparation = preparation
        self.loop = loop
        state = Mutex(State(observer: observer))
    }

    /// A command for the guest of a machine in another process, whose agent is at the other end of `socket`, which never waits. It ends,
    /// at the latest, with the channel.
    /// - Throws: `invalidConfiguration` for a command that cannot be.
    package convenience init(
        _ command: GuestCommand, on socket: consuming OwnedFileDescriptor, loop: EventLoop,
        observer: any CommandObserver
    ) throws(VirtualMachineError) {
        self.init(try CommandRequest(command), preparation: GuestPreparation(), loop: loop, observer: observer)
        connect(socket)
    }

    deinit { cancel() }

    // MARK: From any thread

    /// Takes standard input from the front of `bytes`, and returns how much it took.
    package func write(_ bytes: Span<UInt8>) -> Int { change { $0.write(bytes) } }

    /// There is no more input, or nobody reads that output any more.
    package func close(_ stream: CommandStream) { change { $0.close(stream) } }

    /// So many bytes of output were consumed.
    package func consumed(_ count: Int, of stream: CommandStream) { change { $0.consumed(count, of: stream) } }

    /// The terminal's window has another size.
    package func resize(_ size: GuestCommand.WindowSize) {
        change { $0.resize(.init(rows: size.rows, columns: size.columns)) }
    }

    /// Sends a signal to the command's processes; false where there are none.
    package func signal(_ number: UInt8) -> Bool { change { $0.signal(number) } }

    /// Ends the connection, and with it the command. Nothing more is told of it.
    package func cancel() {
        let observer = state.withLock { state in
            close(&state)
            return state.observer.take()
        }
        withExtendedLifetime(observer) {}
    }

    private func change<Result>(_ body: (inout AgentSession) -> Result) -> Result {
        state.withLock { state in
            let result = body(&state.session)
            flush(&state)
            return result
        }
    }

    // MARK: The connection

    /// The guest's agent is at the other end of `connection`, and has said nothing yet.
    /// - Parameter isFirst: whether nobody else asked it for anything.
    func connect(_ connection: VirtioSocketConnection, isFirst: Bool) {
        state.withLock { $0.isFirst = isFirst }
        guard let socket = connection.takeSocket() else { return fail("the connection was closed") }
        connect(socket)
    }

    /// The guest's agent is at the other end of `socket`, which never waits.
    private func connect(_ socket: consuming OwnedFileDescriptor) {
        let raw = socket.rawValue
        var stream: HostStream? = HostStream(socket, .socket)
        do throws(HostError) {
            try state.withLock { state throws(HostError) in
                // It may have been cancelled.
                guard state.observer != nil else { return }
                state.stream = stream.take()
                state.registration = try loop.register(raw, for: .readable) { [weak self] _ in self?.advance() }
            }
        } catch { fail("\(error)") }
    }

    func fail(_ why: String) { end(.failure(VirtualMachineError(.guestFailure, "the command is lost: \(why)"))) }

    // On the loop.
    private func advance() {
        var events: [AgentSession.Event] = []
        var problem: String?
        let observer = state.withLock { state in
            do throws(AgentProtocolError) { events = try read(&state, &problem) } catch { problem = "\(error)" }
            flush(&state)
            return state.observer
        }
        guard let observer else { return }
        for event in events { tell(event, observer) }
        if let problem { fail(problem) }
    }

    private func read(_ state: inout State, _ problem: inout String?) throws(AgentProtocolError) -> [AgentSession.Event]
    {
        guard let stream = state.stream.take() else { return [] }
        var buffer = exchange(&state.buffer, with: [])
        defer { state.buffer = buffer }
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: Self.chunk) }
        var span = buffer.mutableSpan
        let outcome = stream.read(into: &span, atMost: Self.chunk)
        state.stream = consume stream
        switch outcome {
        case .wouldWait: return []
        case .moved(0):
            problem = "the guest's agent ended the connection"
            return []
        case .failed(let errno):
            problem = "the guest's agent cannot be reached: \(errno)"
            return []
        case .moved(let count):
            let events = try state.session.receive(buffer.span.extracting(first: count))
            for case .greeted(let needsSetup) in events { start(&state, needsSetup, &problem) }
            return events
        }
    }

    private func start(_ state: inout State, _ needsSetup: Bool, _ problem: inout String?) {
        if needsSetup {
            guard let setup = preparation.setup else {
                problem = "its agent waits for a root file system, and the machine's configuration has none"
                return
            }
            state.session.setUp(setup)
        }
        if state.isFirst { for copy in preparation.copies { state.session.copyIn(copy) } }
        state.session.run(request)
    }

    private func tell(_ event: AgentSession.Event, _ observer: any CommandObserver) {
        switch event {
        case .greeted, .ready: break
        case .started(let process):
            observer.commandStarted(process: process)
            observer.commandTakesInput()
        case .output(let stream, let bytes): observer.commandWrote(bytes, to: stream)
        case .closed(let stream): observer.commandClosed(stream)
        case .inputReady: observer.commandTakesInput()
        case .ended(let end): self.end(.success(end))
        case .failed(let status, let message):
            let code: VirtualMachineError.Code =
                switch status {
                case 127: .commandNotFound
                case 126: .commandNotExecutable
                default: .guestFailure
                }
            self.end(.failure(VirtualMachineError(code, message)))
        }
    }

    private func end(_ outcome: Result<CommandEnd, VirtualMachineError>) {
        let observer = state.withLock { state in
            close(&state)
            return state.observer.take()
        }
        observer?.commandEnded(outcome)
    }

    // MARK: With the lock held

    private func flush(_ state: inout State) {
        guard state.session.hasPending, let stream = state.stream.take() else { return }
        var isFull = false
        while state.session.hasPending, !isFull {
            state.session.send { bytes in
                if case .moved(let count) = stream.write(bytes) { return count }
                // A connection that failed is seen by its reader.
                isFull = true
                return 0
            }
        }
        state.stream = consume stream
        if let registration = state.registration {
            loop.setInterest(.init(readable: true, writable: isFull), of: registration)
        }
    }

    private func close(_ state: inout State) {
        if let registration = state.registration.take() { loop.remove(registration) }
        _ = state.stream.take()
    }
}
