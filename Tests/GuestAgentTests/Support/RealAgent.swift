import CLinux
import Glibc
import GuestAgent
import TestSupport
import Testing

/// The agent that `guest-images/build` made, as an ordinary process on this host.
final class RealAgent {
    /// CAISSON_TEST_GUEST's, or the one that was built last.
    static let program: String? = {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        let cache =
            variable("CAISSON_CACHE") ?? "\(variable("XDG_CACHE_HOME") ?? "\(variable("HOME") ?? "/")/.cache")/caisson"
        let path = "\(variable("CAISSON_TEST_GUEST") ?? "\(cache)/guest/default")/agent"
        return access(path, X_OK) == 0 ? path : nil
    }()

    let process: ChildProcess
    private(set) var socket: Descriptor?
    var session = AgentSession()
    /// What came with an event that was expected.
    private var waiting: [AgentSession.Event] = []

    init() throws {
        let program = try #require(Self.program)
        Glibc.signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        precondition(caisson_socket_pair(&ends) == 0)
        let theirs = Descriptor(ends[1])
        socket = Descriptor(ends[0])
        let null = Descriptor.opening("/dev/null", O_RDWR)
        process = withExtendedLifetime((theirs, null)) {
            ChildProcess(program, ["--test", "0"], streams: (theirs.raw, null.raw, null.raw))
        }
    }

    func hangUp() { socket = nil }

    func signal(_ number: Int32) -> Bool { session.signal(UInt8(number)) }

    /// Sends what there is to send, waits for bytes, and returns what they say; nil at the connection's end or after
    /// `limit`.
    func step(within limit: Duration = .seconds(20)) throws -> [AgentSession.Event]? {
        flush()
        if !waiting.isEmpty {
            defer { waiting = [] }
            return waiting
        }
        guard let socket, socket.isReady(POLLIN, Int32(limit / .milliseconds(1))) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(socket.raw, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return try session.receive(buffer.span.extracting(first: count))
    }

    func flush() {
        guard let socket else { return }
        while session.hasPending {
            session.send { bytes in
                bytes.withUnsafeBytes { max(0, Int(caisson_send(socket.raw, $0.baseAddress, $0.count))) }
            }
            if session.hasPending { socket.isReady(POLLOUT, 10) }
        }
    }

    /// Goes on until an event that `match` makes something of.
    func expect<Value>(_ match: (AgentSession.Event) -> Value?) throws -> Value {
        while let events = try step() {
            for (index, event) in events.enumerated() {
                guard let value = match(event) else { continue }
                waiting = Array(events[(index + 1)...])
                return value
            }
        }
        Issue.record("the agent did not answer")
        throw Silence()
    }

    func start(_ request: CommandRequest) throws {
        _ = try expect { if case .greeted = $0 { true } else { nil } }
        session.run(request)
        _ = try expect { if case .started = $0 { true } else { nil } }
    }

    /// Sends a signal until the command has ended: a shell that starts a program may lose one.
    func end(by signal: Int32) throws -> CommandEnd {
        for _ in 0..<100 {
            _ = self.signal(signal)
            for event in try step(within: .milliseconds(200)) ?? [] {
                if case .ended(let end) = event { return end }
            }
        }
        throw Silence()
    }

    private struct Silence: Error {}
}

/// What a command left.
struct Outcome {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    var end: CommandEnd?
    var failure: (status: UInt8, message: String)?

    var text: String { String(decoding: output, as: UTF8.self) }
    var errorText: String { String(decoding: errors, as: UTF8.self) }

    /// Runs a command to its end, with `input` if that is there.
    static func of(
        _ arguments: [String], input: [UInt8]? = nil, change: (inout CommandRequest) -> Void = { _ in }
    ) throws -> Outcome {
        let agent = try RealAgent()
        var request = CommandRequest(arguments: arguments)
        request.hasInput = input != nil
        change(&request)
        return try agent.finish(request, input: input ?? [])
    }

    static func of(_ script: String, input: [UInt8]? = nil, change: (inout CommandRequest) -> Void = { _ in }) throws
        -> Outcome
    {
        try of(["/bin/sh", "-c", script], input: input, change: change)
    }
}

extension RealAgent {
    func finish(_ request: CommandRequest, input: [UInt8]) throws -> Outcome {
        var outcome = Outcome()
        var sent = 0
        func feed() {
            sent += session.write(input.span.extracting(droppingFirst: sent))
            if sent == input.count { session.close(.input) }
        }
        while outcome.end == nil, outcome.failure == nil {
            guard let events = try step() else {
                Issue.record("the agent is gone, or silent")
                break
            }
            for event in events {
                switch event {
                case .greeted: session.run(request)
                case .started, .inputReady: if request.hasInput { feed() }
                case .output(let stream, let bytes):
                    if stream == .output { outcome.output += bytes } else { outcome.errors += bytes }
                    session.consumed(bytes.count, of: stream)
                case .ended(let end): outcome.end = end
                case .failed(let status, let message): outcome.failure = (status, message)
                case .ready, .closed: break
                }
            }
        }
        return outcome
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where the agent was not built.
    static var needsAgent: Self {
        .enabled(if: RealAgent.program != nil, "needs the guest's agent: run guest-images/build")
    }

    static var needsRoot: Self { .enabled(if: geteuid() == 0, "needs root, to become other users") }
}

extension AgentSession {
    mutating func receive(_ bytes: [UInt8]) throws(AgentProtocolError) -> [Event] { try receive(bytes.span) }
    mutating func write(_ bytes: [UInt8]) -> Int { write(bytes.span) }
}
