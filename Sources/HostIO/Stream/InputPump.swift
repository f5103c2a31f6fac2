import HostResources
import Synchronization

/// Reads a stream on the event loop and hands the bytes to a reader that takes them when it can.
///
/// Bytes that the reader does not take wait: up to `limit` of them here, so that a terminal's command keys are seen
/// although the reader sleeps, and the rest where they are, in the terminal's, pipe's or socket's own buffer, as the
/// stream is not read meanwhile.
final class InputPump: Sendable {
    /// Bytes read ahead of the reader.
    static let limit = 64 * 1024
    private static let chunk = 4096

    struct Handlers: Sendable {
        /// Takes bytes from the front and returns how many; called in order, never twice at once.
        let deliver: @Sendable (Span<UInt8>) -> Int
        /// A command key was typed. On the loop.
        let command: @Sendable (EscapeKey.Command) -> Void
        /// There is no more input, and the other side is gone, as far as can be told. On the loop.
        let ended: @Sendable () -> Void
    }

    private struct State: ~Copyable {
        var stream: HostStream?
        var registration: EventLoop.Registration?
        var queue = ByteQueue(limit: InputPump.limit)
        var escapeKey: EscapeKey?
        var handlers: Handlers?
        /// The other side sends no more, but may still read.
        var isHalfClosed = false
    }

    private let loop: EventLoop
    private let state: Mutex<State>

    /// - Parameter hasEscapeKey: whether Ctrl-A starts a command.
    init(loop: EventLoop, hasEscapeKey: Bool) {
        self.loop = loop
        state = Mutex(State(escapeKey: hasEscapeKey ? EscapeKey() : nil))
    }

    func setHandlers(_ handlers: Handlers?) {
        // What the old ones keep alive may end with them, and call this queue: that is for after the lock.
        let old = state.withLock { exchange(&$0.handlers, with: handlers) }
        withExtendedLifetime(old) {}
    }

    var isAttached: Bool { state.withLock { $0.stream != nil } }

    /// Whether the reader took all that was read.
    var isEmpty: Bool { state.withLock { $0.queue.isEmpty } }

    /// Reads `stream` from now on.
    func attach(_ stream: consuming HostStream) throws(HostError) {
        detach()
        var stream: HostStream? = stream
        let raw = stream?.descriptor.rawValue ?? -1
        try state.withLock { state throws(HostError) in
            state.stream = stream.take()
            state.isHalfClosed = false
            state.registration = try loop.register(raw, for: .readable) { [weak self] readiness in
                self?.advance(readiness)
            }
        }
    }

    /// Closes the stream. What was read from it is still delivered.
    func detach() { state.withLock { close(&$0) } }

    /// The reader takes bytes again. From any thread.
    func readerReady() {
        state.withLock { state in
            deliver(&state)
            if state.queue.count <= Self.limit / 2 { poll(&state) }
        }
    }

    private func advance(_ readiness: EventLoop.Readiness) {
        let (commands, hasEnded, handlers) = state.withLock { state in
            var commands: [EscapeKey.Command] = []
            let hasEnded = read(readiness, &state, &commands)
            if hasEnded { close(&state) }
            return (commands, hasEnded, state.handlers)
        }
        guard let handlers else { return }
        for command in commands { handlers.command(command) }
        if hasEnded { handlers.ended() }
    }

    /// Reads once; true at the stream's end.
    private func read(
        _ readiness: EventLoop.Readiness, _ state: inout State, _ commands: inout [EscapeKey.Command]
    ) -> Bool {
        if state.isHalfClosed { return true }
        var bytes = InlineArray<4096, UInt8>(repeating: 0)
        let room = min(Self.chunk, state.queue.limit - state.queue.count)
        guard room > 0, let stream = state.stream.take() else { return false }
        var span = bytes.mutableSpan
        let outcome = stream.read(into: &span, atMost: room)
        let isSocket = stream.kind == .socket
        state.stream = consume stream

        switch outcome {
        case .moved(0):
            guard isSocket, readiness.isDisjoint(with: [.hangUp, .error]) else { return true }
            state.isHalfClosed = true
            poll(&state)
            return false
        case .moved(let count):
            enqueue(bytes.span.extracting(first: count), &state, &commands)
            deliver(&state)
            poll(&state)
            return false
        // A pseudo-terminal that was hung up has nothing to read and no end.
        case .wouldWait: return !readiness.isDisjoint(with: [.hangUp, .error])
        case .failed: return true
        }
    }

    private func enqueue(_ bytes: Span<UInt8>, _ state: inout State, _ commands: inout [EscapeKey.Command]) {
        var accepted = bytes.count
        if var escapeKey = state.escapeKey {
            var typed: [UInt8] = []
            commands += escapeKey.parse(bytes, appendingTo: &typed)
            state.escapeKey = escapeKey
            accepted = state.queue.append(typed.span) + bytes.count - typed.count
        } else {
            accepted = state.queue.append(bytes)
        }
        precondition(accepted == bytes.count, "no more was read than there was room for")
    }

    private func deliver(_ state: inout State) {
        guard let handlers = state.handlers else { return }
        var isTakingAll = true
        while isTakingAll, !state.queue.isEmpty {
            _ = state.queue.take(upTo: .max) { bytes in
                let taken = handlers.deliver(bytes)
                isTakingAll = taken == bytes.count
                return taken
            }
        }
    }

    private func poll(_ state: inout State) {
        guard let registration = state.registration else { return }
        let isFull = state.queue.limit - state.queue.count < Self.chunk
        loop.setInterest(state.isHalfClosed ? .hangUp : isFull ? [] : .readable, of: registration)
    }

    private func close(_ state: inout State) {
        if let registration = state.registration.take() { loop.remove(registration) }
        _ = state.stream.take()
    }
}
