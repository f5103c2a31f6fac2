/// The host's side of one connection with a guest's agent, which runs one command: what to make of what the guest sent, and what
/// to send. It moves no bytes itself.
package struct AgentSession {
    package enum Event: Equatable, Sendable {
        /// The agent is there, and waits for `setUp`, if it is to have another root file system, or for `run`.
        case greeted(needsSetup: Bool)
        /// The root file system is there.
        case ready
        case started(process: UInt32)
        /// Output, to be acknowledged by `consumed`.
        case output(CommandStream, [UInt8])
        /// There is no more output; or nobody reads the input.
        case closed(CommandStream)
        /// `write` takes more.
        case inputReady
        case ended(CommandEnd)
        /// There is no command, and the status that a shell would have.
        case failed(status: UInt8, message: String)
    }

    private enum Phase: Equatable {
        case greeting, idle, settingUp, starting, running, ended
    }

    private var phase = Phase.greeting
    private var needsSetup = false
    private var request: CommandRequest?
    private var reader = FrameReader()
    private var frames = FrameWriter()
    /// Bytes of input that the agent takes now.
    private var inputCredit = AgentProtocol.inputWindow
    private var isInputClosed = false
    private var hasRefusedInput = false
    private var outputs: [2 of Output] = [Output(), Output()]

    private struct Output {
        /// Bytes that the agent may send now.
        var credit = AgentProtocol.outputWindow
        /// Bytes that were consumed, and not granted anew.
        var consumed = 0
        /// Bytes that are with whoever consumes them.
        var held = 0
        var isClosed = false
    }

    package init() {}

    // MARK: To the guest

    /// Whether there is anything to be sent.
    package var hasPending: Bool { frames.count > 0 }

    /// Hands what is to be sent to `body`, which returns how much of its front it sent.
    package mutating func send(_ body: (Span<UInt8>) -> Int) { frames.removeFirst(body(frames.bytes.span)) }

    /// To be called once, after `greeted(needsSetup: true)`, before `run`.
    package mutating func setUp(_ setup: GuestSetup) {
        precondition(phase == .idle && needsSetup)
        phase = .settingUp
        setup.write(to: &frames)
    }

    /// To be called after `greeted` and the setup, which need not be over, before `run`.
    package mutating func copyIn(_ copy: GuestCopy) {
        precondition((phase == .idle || phase == .settingUp) && request == nil)
        copy.write(to: &frames)
    }

    /// To be called once, after `greeted`; the setup need not be over.
    package mutating func run(_ request: CommandRequest) {
        precondition((phase == .idle || phase == .settingUp) && self.request == nil)
        precondition(request.size <= AgentProtocol.requestLimit && !request.arguments.isEmpty)
        self.request = request
        if phase == .idle { phase = .starting }
        request.write(to: &frames)
    }

    /// Takes standard input from the front of `bytes`, as much as the agent has room for, and returns how much that is; after
    /// less than all, `inputReady` comes.
    package mutating func write(_ bytes: Span<UInt8>) -> Int {
        guard phase == .running, !isInputClosed else {
            // Nobody will ever read it.
            if phase == .ended || isInputClosed { return bytes.count }
            hasRefusedInput = true
            return 0
        }
        let taken = min(bytes.count, inputCredit)
        var rest = bytes.extracting(first: taken)
        while !rest.isEmpty {
            let chunk = rest.extracting(first: min(rest.count, AgentProtocol.inputChunk))
            frames.begin(.data)
            frames.append(CommandStream.input.rawValue)
            frames.append(chunk)
            frames.end()
            rest = rest.extracting(droppingFirst: chunk.count)
        }
        inputCredit -= taken
        hasRefusedInput = taken < bytes.count
        return taken
    }

    /// There is no more input, or nobody reads that output any more.
    package mutating func close(_ stream: CommandStream) {
        guard phase == .running || phase == .starting || phase == .settingUp, request != nil else { return }
        switch stream {
        case .input:
            guard !isInputClosed else { return }
            isInputClosed = true
        case .output, .errors:
            guard !outputs[index(stream)].isClosed else { return }
            outputs[index(stream)].isClosed = true
        }
        frame(.close, stream.rawValue)
    }

    /// `count` bytes of an output were consumed: there is room for so many more.
    package mutating func consumed(_ count: Int, of stream: CommandStream) {
        let index = index(stream)
        precondition(count <= outputs[index].held)
        outputs[index].held -= count
        outputs[index].consumed += count
        let grant = outputs[index].consumed
        guard phase == .running, !outputs[index].isClosed, grant >= AgentProtocol.outputWindow / 2 else { return }
        outputs[index].consumed = 0
        outputs[index].credit += grant
        frames.begin(.window)
        frames.append(stream.rawValue)
        frames.append(UInt32(grant))
        frames.end()
    }

    /// The terminal's window has another size.
    package mutating func resize(_ size: CommandRequest.WindowSize) {
        guard request?.terminal != nil, phase != .ended else { return }
        frames.begin(.resize)
        frames.append(size.rows)
        frames.append(size.columns)
        frames.end()
    }

    /// Sends a signal to the command's process group; false where there is none.
    package mutating func signal(_ number: UInt8) -> Bool {
        guard phase == .running else { return false }
        frame(.signal, number)
        return true
    }

    private mutating func frame(_ type: FrameType, _ byte: UInt8) {
        frames.begin(type)
        frames.append(byte)
        frames.end()
    }

    // MARK: From the guest

    /// What `bytes`, the next ones of the connection, say.
    /// - Parameter bytes: at most 64 KiB.
    package mutating func receive(_ bytes: Span<UInt8>) throws(AgentProtocolError) -> [Event] {
        // Nothing is behind an end.
        guard phase != .ended else { return [] }
        reader.append(bytes)
        var events: [Event] = []
        while phase != .ended, let frame = try reader.next() {
            if let event = try event(of: frame) { events.append(event) }
        }
        return events
    }

    private mutating func event(of frame: Frame) throws(AgentProtocolError) -> Event? {
        var payload = PayloadReader(frame)
        guard let type = FrameType(rawValue: frame.type) else {
            throw phase == .greeting ? .noAgent : .unknownFrame(frame.type)
        }
        switch (type, phase) {
        case (.hello, .greeting): return try greet(&payload, frame)
        case (_, .greeting): throw .noAgent
        case (.ready, .settingUp):
            try payload.end()
            needsSetup = false
            phase = request == nil ? .idle : .starting
            return .ready
        case (.started, .starting):
            let process: UInt32 = try payload.number()
            try payload.end()
            phase = .running
            return .started(process: process)
        case (.data, .running):
            let stream = try payload.stream()
            return try takeOutput(stream, payload.bytes(), frame)
        case (.window, .running):
            let stream = try payload.stream()
            let count = Int(try payload.number(UInt32.self))
            try payload.end()
            return try grant(count, stream, frame)
        case (.close, .running):
            let stream = try payload.stream()
            try payload.end()
            return closedByGuest(stream)
        case (.exit, .running):
            phase = .ended
            return .ended(try CommandEnd(&payload))
        case (.error, .settingUp), (.error, .starting), (.error, .idle):
            phase = .ended
            let status: UInt8 = try payload.number()
            guard (125...127).contains(status) else { throw .malformed(frame.type) }
            return .failed(status: status, message: payload.text())
        default: throw .unexpected(frame.type)
        }
    }

    private mutating func greet(_ payload: inout PayloadReader, _ frame: Frame) throws(AgentProtocolError) -> Event {
        guard frame.payload.count >= 8, frame.payload.prefix(4).elementsEqual(AgentProtocol.magic) else {
            throw .noAgent
        }
        _ = try payload.number(UInt32.self)
        let version: UInt16 = try payload.number()
        guard version == AgentProtocol.version else { throw .otherVersion(version) }
        needsSetup = try payload.number(UInt16.self) & 1 != 0
        phase = .idle
        return .greeted(needsSetup: needsSetup)
    }

    private mutating func takeOutput(
        _ stream: CommandStream, _ bytes: [UInt8], _ frame: Frame
    ) throws(AgentProtocolError) -> Event? {
        guard stream != .input else { throw .unexpected(frame.type) }
        let index = index(stream)
        guard bytes.count <= outputs[index].credit else { throw .windowExceeded }
        outputs[index].credit -= bytes.count
        // What was on its way when the stream was closed.
        guard !outputs[index].isClosed, !bytes.isEmpty else { return nil }
        outputs[index].held += bytes.count
        return .output(stream, bytes)
    }

    private mutating func grant(
        _ count: Int, _ stream: CommandStream, _ frame: Frame
    ) throws(AgentProtocolError) -> Event? {
        guard stream == .input else { throw .unexpected(frame.type) }
        guard count <= AgentProtocol.inputWindow - inputCredit else { throw .windowExceeded }
        inputCredit += count
        return inputBecameReady()
    }

    private mutating func inputBecameReady() -> Event? {
        guard hasRefusedInput, inputCredit > 0 else { return nil }
        hasRefusedInput = false
        return .inputReady
    }

    private mutating func closedByGuest(_ stream: CommandStream) -> Event? {
        switch stream {
        case .input:
            guard !isInputClosed else { return nil }
            isInputClosed = true
        case .output, .errors:
            guard !outputs[index(stream)].isClosed else { return nil }
            outputs[index(stream)].isClosed = true
        }
        return .closed(stream)
    }

    private func index(_ stream: CommandStream) -> Int {
        precondition(stream != .input)
        return stream == .output ? 0 : 1
    }
}
