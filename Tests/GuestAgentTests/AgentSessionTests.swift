import TestSupport
import Testing

@testable import GuestAgent

/// The host's side by itself, with a guest of the test's own.
@Suite struct AgentSessionTests {
    static let hello: [UInt8] = [1, 8, 0, 0] + Array("CSAG".utf8) + [1, 0, 0, 0]
    static let started: [UInt8] = [5, 4, 0, 0, 42, 0, 0, 0]

    private func frame(_ type: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [type, UInt8(payload.count & 255), UInt8(payload.count >> 8 & 255), UInt8(payload.count >> 16)] + payload
    }

    private func running(_ change: (inout CommandRequest) -> Void = { _ in }) throws -> AgentSession {
        var session = AgentSession()
        #expect(try session.receive(Self.hello) == [.greeted(needsSetup: false)])
        var request = CommandRequest(arguments: ["x"])
        request.hasInput = true
        change(&request)
        session.run(request)
        #expect(try session.receive(Self.started) == [.started(process: 42)])
        _ = taken(&session)
        return session
    }

    private func taken(_ session: inout AgentSession) -> [UInt8] {
        var bytes: [UInt8] = []
        session.send { span in
            for index in span.indices { bytes.append(span[index]) }
            return span.count
        }
        return bytes
    }

    @Test func `requests are written as documented`() throws {
        var session = AgentSession()
        _ = try session.receive((Self.hello.dropLast(2) + [1, 0]))
        var setup = GuestSetup(device: "/dev/vda", type: "erofs", hostName: "h")
        setup.time = .init(seconds: 1, nanoseconds: 2)
        setup.network = .init(address: 0x0a00_020f, gateway: 0x0a00_0202, nameServer: 0x0a00_0203, prefixLength: 24)
        session.setUp(setup)
        var request = CommandRequest(arguments: ["a", "b"])
        request.environment = ["E=1"]
        request.user = "u"
        request.workingDirectory = "/w"
        request.terminal = .init(rows: 24, columns: 80)
        request.hasInput = true
        session.run(request)
        let setupPayload: [UInt8] =
            [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2, 10, 0, 2, 3, 24]
            + Array("/dev/vda\0erofs\0\0\0tmpfs\0h\0".utf8)
        let runPayload: [UInt8] =
            [3, 0, 0, 0, 24, 0, 80, 0, 0, 0, 4, 0, 0, 0, 4, 0, 2, 0, 0, 0, 1, 0, 0, 0]
            + Array("u\0/w\0a\0b\0E=1\0".utf8)
        #expect(taken(&session) == frame(2, setupPayload) + frame(4, runPayload))
        #expect(request.size == runPayload.count)
        #expect(try session.receive((frame(3, []) + Self.started)) == [.ready, .started(process: 42)])
    }

    @Test(arguments: 0..<50) func `bytes may come in any pieces`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let stream =
            Self.started + frame(6, [1] + Array("out".utf8)) + frame(6, [2, 0, 255]) + frame(8, [1])
            + frame(11, [7, 0, 0, 0] + [UInt8](repeating: 1, count: 24))
        var session = AgentSession()
        var events: [AgentSession.Event] = []
        func feed(_ bytes: [UInt8]) throws {
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(Int.random(in: 1...20, using: &random)))
                rest = rest.dropFirst(piece.count)
                events += try session.receive(piece)
            }
        }
        try feed(Self.hello)
        session.run(CommandRequest(arguments: ["x"]))
        try feed(stream)
        #expect(events.count == 6)
        #expect(events[2...4] == [.output(.output, Array("out".utf8)), .output(.errors, [0, 255]), .closed(.output)])
        guard case .ended(let end) = events.last else {
            Issue.record("no end but \(events)")
            return
        }
        #expect(end.status == .exited(7))
        #expect(end.userTime == 0x0101_0101_0101_0101)
    }

    @Test func `input is held to the window`() throws {
        var session = try running()
        let bytes = [UInt8](repeating: 5, count: 100_000)
        var wrote = 0
        wrote = session.write(bytes)
        #expect(wrote == AgentProtocol.inputWindow)
        #expect(session.write(bytes) == 0)
        let sent = taken(&session)
        #expect(sent.count == AgentProtocol.inputWindow + 4 * 5)
        #expect(Array(sent[..<5]) == [6, 1, 64, 0, 0])
        #expect(try session.receive(frame(7, [0, 1, 0, 0, 0])) == [.inputReady])
        wrote = session.write(bytes)
        #expect(wrote == 1)
        session.close(.input)
        session.close(.input)
        #expect(taken(&session) == frame(6, [0, 5]) + frame(8, [0]))
        // Nobody will read more.
        wrote = session.write(bytes)
        #expect(wrote == bytes.count)
        #expect(!session.hasPending)
    }

    @Test func `room for output is granted by halves`() throws {
        var session = try running()
        let chunk = frame(6, [1] + [UInt8](repeating: 0, count: 32_768))
        for _ in 0..<8 { #expect(try session.receive(chunk).count == 1) }
        #expect(throws: AgentProtocolError.windowExceeded) { try session.receive(frame(6, [1, 0])) }
        session.consumed(AgentProtocol.outputWindow / 2 - 1, of: .output)
        #expect(!session.hasPending)
        session.consumed(1, of: .output)
        #expect(taken(&session) == frame(7, [1, 0, 0, 2, 0]))
    }

    @Test func `what was on its way to a closed stream is dropped`() throws {
        var session = try running()
        session.close(.errors)
        #expect(taken(&session) == frame(8, [2]))
        #expect(try session.receive((frame(6, [2, 1]) + frame(8, [2]))).isEmpty)
    }

    static let malformed: [([UInt8], AgentProtocolError)] = [
        ([0, 0, 0, 0], .unknownFrame(0)), ([99, 0, 0, 0], .unknownFrame(99)), ([6, 0, 0, 0], .malformed(6)),
        ([6, 1, 0, 0, 3], .malformed(6)), ([6, 2, 0, 0, 0, 1], .unexpected(6)), ([1, 0, 0, 0], .unexpected(1)),
        ([2, 0, 0, 0], .unexpected(2)), ([3, 0, 0, 0], .unexpected(3)), ([4, 0, 0, 0], .unexpected(4)),
        ([5, 4, 0, 0, 0, 0, 0, 0], .unexpected(5)), ([7, 5, 0, 0, 0, 1, 0, 0, 0], .windowExceeded),
        ([7, 5, 0, 0, 1, 1, 0, 0, 0], .unexpected(7)), ([7, 4, 0, 0, 0, 1, 0, 0], .malformed(7)),
        ([8, 2, 0, 0, 1, 1], .malformed(8)), ([11, 3, 0, 0, 1, 1, 1], .malformed(11)),
        ([12, 1, 0, 0, 125], .unexpected(12)), ([6, 1, 0, 1], .frameTooLong(65_537)),
    ]

    @Test(arguments: malformed) func `what no agent sends is refused`(bytes: [UInt8], error: AgentProtocolError) throws
    {
        var session = try running()
        #expect(throws: error) { try session.receive(bytes) }
    }

    static let greetings: [([UInt8], AgentProtocolError)] = [
        (started, .noAgent), (Array("SSH-2.0-x\r\n".utf8), .frameTooLong(0x2d4853)), ([99, 0, 0, 0], .noAgent),
        ([1, 8, 0, 0] + Array("CSAH".utf8) + [1, 0, 0, 0], .noAgent), ([1, 4, 0, 0] + Array("CSAG".utf8), .noAgent),
        ([1, 8, 0, 0] + Array("CSAG".utf8) + [2, 0, 0, 0], .otherVersion(2)),
    ]

    @Test(arguments: greetings) func `others than the agent are told`(bytes: [UInt8], error: AgentProtocolError) {
        var session = AgentSession()
        #expect(throws: error) { try session.receive(bytes) }
    }

    @Test func `a later version may say more in its greeting`() throws {
        var session = AgentSession()
        let greeting = [1, 10, 0, 0] + Self.hello.dropFirst(4) + [9, 9]
        #expect(try session.receive(greeting) == [.greeted(needsSetup: false)])
    }

    @Test func `an error's text cannot harm a terminal`() throws {
        var session = AgentSession()
        _ = try session.receive(Self.hello)
        session.run(CommandRequest(arguments: ["x"]))
        let text = Array("a\u{1b}[2Jb\r\nü\u{202e}".utf8) + [0xff, 0, 1]
        #expect(
            try session.receive(frame(12, [127] + text))
                == [.failed(status: 127, message: "a?[2Jb??ü?\u{fffd}")])
        #expect(try session.receive([0, 0, 0, 0, 0]).isEmpty)
        var other = AgentSession()
        _ = try other.receive(Self.hello)
        #expect(throws: AgentProtocolError.malformed(12)) { try other.receive(frame(12, [1, 0])) }
    }

    /// Whatever a guest sends, the session ends with an error or goes on; it holds no more than the windows allow.
    @Test(arguments: 0..<200) func `any bytes are survived`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var session = AgentSession()
        var held: [CommandStream: Int] = [:]
        func feed(_ bytes: [UInt8]) -> Bool {
            guard let events = try? session.receive(bytes) else { return false }
            for event in events {
                switch event {
                case .greeted(let needsSetup):
                    if needsSetup { session.setUp(GuestSetup(device: "d", type: "t", hostName: "h")) }
                    session.run(CommandRequest(arguments: ["x"]))
                case .output(let stream, let bytes): held[stream, default: 0] += bytes.count
                default: break
                }
            }
            return true
        }
        var isAlive = feed(Self.hello)
        if Bool.random(using: &random) { isAlive = isAlive && feed(Self.started) }
        for _ in 0..<100 where isAlive {
            let type = UInt8.random(in: 0...13, using: &random)
            let size = Int.random(in: 0...40, using: &random)
            var bytes = frame(type, (0..<size).map { _ in UInt8.random(in: 0...3, using: &random) })
            if Int.random(in: 0..<10, using: &random) == 0, !bytes.isEmpty {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            isAlive = feed(bytes)
            let input = [UInt8](repeating: 1, count: Int.random(in: 0...70_000, using: &random))
            _ = session.write(input)
            for stream in [CommandStream.output, .errors] {
                let count = Int.random(in: 0...held[stream, default: 0], using: &random)
                session.consumed(count, of: stream)
                held[stream, default: 0] -= count
                #expect(held[stream, default: 0] <= AgentProtocol.outputWindow)
            }
            _ = session.signal(9)
            session.resize(.init(rows: 1, columns: 1))
            // More than a window's worth never waits to be sent.
            #expect(taken(&session).count < 2 * AgentProtocol.inputWindow)
        }
    }
}
