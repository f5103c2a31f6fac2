import Glibc
import GuestAgent
import TestSupport
import Testing

/// Terminals, signals and ends, with the guest's own agent on this host.
@Suite(.needsAgent, .timeLimit(.minutes(5))) struct RealAgentLifeTests {
    private func terminal(_ rows: UInt16 = 33, _ columns: UInt16 = 101) -> (inout CommandRequest) -> Void {
        { $0.terminal = .init(rows: rows, columns: columns) }
    }

    @Test func `a terminal has the size that was asked for`() throws {
        let outcome = try Outcome.of("test -t 0 -a -t 1 -a -t 2 && tty && stty size; echo err >&2", change: terminal())
        let lines = outcome.text.split(separator: "\r\n")
        #expect(lines.count == 3)
        #expect(lines.first?.hasPrefix("/dev/pts/") == true)
        #expect(lines.dropFirst() == ["33 101", "err"])
        #expect(outcome.errors.isEmpty)
    }

    @Test func `a terminal's new size is told to the command`() throws {
        let agent = try RealAgent()
        var request = CommandRequest(
            arguments: ["sh", "-c", "trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done"])
        terminal()(&request)
        try agent.start(request)
        var text = ""
        func collect(until end: String) throws {
            while !text.contains(end) {
                text += try agent.expect {
                    if case .output(_, let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil }
                }
            }
        }
        try collect(until: "ready")
        agent.session.resize(.init(rows: 7, columns: 9))
        try collect(until: "7 9")
        let end = try agent.expect { if case .ended(let end) = $0 { end } else { nil } }
        #expect(end.status == .exited(5))
    }

    @Test func `keys of a terminal are signals, and its input ends`() throws {
        let agent = try RealAgent()
        var request = CommandRequest(arguments: ["sh", "-c", "cat; echo after; sleep 100"])
        terminal()(&request)
        request.hasInput = true
        try agent.start(request)
        let wrote = agent.session.write(Array("line\n".utf8))
        #expect(wrote == 5)
        agent.session.close(.input)
        var text = ""
        while !text.hasSuffix("after\r\n") {
            text += try agent.expect {
                if case .output(_, let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil }
            }
        }
        // What is typed is echoed, and comes back by `cat`.
        #expect(text == "line\r\nline\r\nafter\r\n")
        #expect(try agent.end(by: SIGINT).status == .signaled(2))
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGKILL]) func `signals end a command`(number: Int32) throws {
        let agent = try RealAgent()
        try agent.start(CommandRequest(arguments: ["sleep", "100"]))
        #expect(agent.signal(number))
        let end = try agent.expect { if case .ended(let end) = $0 { end } else { nil } }
        #expect(end.status == .signaled(UInt8(number)))
        #expect(!agent.signal(number))
    }

    @Test func `signals reach all of the command's processes, and may be handled`() throws {
        let agent = try RealAgent()
        let script = "trap 'echo got it; exit 9' TERM; (echo ready >&2; exec sleep 100) | cat"
        try agent.start(CommandRequest(arguments: ["sh", "-c", script]))
        _ = try agent.expect { if case .output = $0 { true } else { nil } }
        #expect(agent.signal(SIGTERM))
        var text = ""
        let end = try agent.expect { event -> CommandEnd? in
            // The shell tells of its jobs as errors.
            if case .output(.output, let bytes) = event { text += String(decoding: bytes, as: UTF8.self) }
            if case .ended(let end) = event { return end }
            return nil
        }
        #expect(text == "got it\n")
        #expect(end.status == .exited(9))
    }

    @Test func `the connection's end is the command's`() throws {
        let agent = try RealAgent()
        try agent.start(CommandRequest(arguments: ["sh", "-c", "echo $$; sleep 100 | cat"]))
        let text = try agent.expect {
            if case .output(_, let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil }
        }
        let group = try #require(pid_t(text.dropLast()))
        #expect(kill(-group, 0) == 0)
        agent.hangUp()
        #expect(agent.process.ending() == .exited(0))
        // Whoever adopts them reaps them; until then they are dead.
        #expect(withinTenSeconds { isGone(group) })
    }

    /// Whether no process of a group is alive.
    private func isGone(_ group: pid_t) -> Bool {
        let listed = Child.run("/bin/ps", ["-e", "-o", "pgid=,stat="]).output
        return !listed.split(separator: "\n").contains { line in
            let words = line.split(separator: " ")
            return words.first == "\(group)" && words.last?.hasPrefix("Z") == false
        }
    }

    private func withinTenSeconds(_ condition: () -> Bool) -> Bool {
        for _ in 0..<1000 {
            if condition() { return true }
            usleep(10_000)
        }
        return false
    }

    @Test func `background processes do not hold up the end`() throws {
        let start = ContinuousClock.now
        let quiet = try Outcome.of("sleep 30 & echo started; exit 6")
        #expect(quiet.text == "started\n")
        #expect(quiet.end?.status == .exited(6))
        // It ends with the folder: nobody else ends it here, as the machine's end does.
        let folder = Folder()
        let script = "(trap '' PIPE; while [ -d \(folder.path) ]; do echo x 2>&-; done) & sleep 0.2; exit 3"
        let loud = try withExtendedLifetime(folder) { try Outcome.of(script) }
        #expect(loud.end?.status == .exited(3))
        #expect(loud.text.hasPrefix("x\nx\n"))
        let terminal = try Outcome.of("sleep 30 & echo started", change: terminal())
        #expect(terminal.text == "started\r\n")
        #expect(ContinuousClock.now - start < .seconds(25))
    }

    @Test func `a command that closes its output goes on`() throws {
        let agent = try RealAgent()
        try agent.start(CommandRequest(arguments: ["sh", "-c", "exec >&-; sleep 0.2; exit 8"]))
        _ = try agent.expect { $0 == .closed(.output) ? true : nil }
        let end = try agent.expect { if case .ended(let end) = $0 { end } else { nil } }
        #expect(end.status == .exited(8))
    }

    /// What no host sends: the agent lets go of the connection, and stays well otherwise.
    @Test(arguments: 0..<40) func `nonsense ends the connection`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let agent = try RealAgent()
        _ = try agent.expect { if case .greeted = $0 { true } else { nil } }
        for _ in 0..<20 {
            // A run frame with a length and numbers that may be any.
            let size = Int.random(in: 0...60, using: &random)
            let told = Int.random(in: 0...3, using: &random) == 0 ? Int.random(in: 0..<1 << 24, using: &random) : size
            let type = UInt8.random(in: 0...14, using: &random)
            let payload = (0..<size).map { _ in
                Bool.random(using: &random) ? 0 : UInt8.random(in: 0...255, using: &random)
            }
            agent.socket?.send([type, UInt8(told & 255), UInt8(told >> 8 & 255), UInt8(told >> 16)] + payload)
        }
        agent.hangUp()
        #expect(agent.process.ending() == .exited(0))
    }
}
