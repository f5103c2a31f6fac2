import Glibc
import GuestAgent
import TestSupport
import Testing

/// The protocol between this module and the guest's own agent, without any guest.
@Suite(.needsAgent, .timeLimit(.minutes(5))) struct RealAgentTests {
    static let endings: [(String, CommandEnd.Status)] = [
        ("exit 0", .exited(0)), ("exit 7", .exited(7)), ("exit 255", .exited(255)), ("kill -9 $$", .signaled(9)),
        ("kill -SEGV $$", .signaled(11)), ("sh -c 'kill -9 $$'; exit $?", .exited(137)),
    ]

    @Test(arguments: endings) func `a command's end is told`(script: String, status: CommandEnd.Status) throws {
        #expect(try Outcome.of(script).end?.status == status)
    }

    @Test func `output and errors come apart, and whole`() throws {
        let outcome = try Outcome.of("echo out; echo err >&2; printf 'no end'")
        #expect(outcome.text == "out\nno end")
        #expect(outcome.errorText == "err\n")
        #expect(outcome.end?.status == .exited(0))
    }

    static let failures: [([String], UInt8, String)] = [
        (["no-such-command"], 127, "no-such-command: no such command"),
        (["/no/such"], 127, "/no/such: no such command"), ([""], 127, ": no such command"),
        (["/etc/passwd"], 126, "/etc/passwd: permission denied"), (["/"], 126, "/: permission denied"),
        (["/etc/passwd/x"], 126, "/etc/passwd/x: not a directory"),
    ]

    @Test(arguments: failures)
    func `what cannot be executed has a shell's status`(arguments: [String], status: UInt8, message: String) throws {
        let outcome = try Outcome.of(arguments)
        #expect(outcome.failure?.status == status)
        #expect(outcome.failure?.message == message)
    }

    @Test func `a file that is no program is told apart`() throws {
        let folder = Folder()
        let path = folder.file("script", Array("no program".utf8))
        chmod(path, 0o755)
        let outcome = try Outcome.of([path])
        #expect(outcome.failure?.status == 126)
        #expect(outcome.failure?.message == "\(path): exec format error")
    }

    @Test func `the first program in PATH that can be executed is taken`() throws {
        let folder = Folder()
        for (name, mode) in [("a", mode_t(0o644)), ("b", 0o755)] {
            mkdir("\(folder.path)/\(name)", 0o755)
            let path = folder.file("\(name)/tool", Array("#!/bin/sh\necho \(name)\n".utf8))
            chmod(path, mode)
        }
        let path = "PATH=/no/such:\(folder.path)/a:\(folder.path)/b"
        #expect(try Outcome.of(["tool"]) { $0.environment = [path] }.text == "b\n")
        let refused = try Outcome.of(["tool"]) { $0.environment = ["PATH=\(folder.path)/a"] }
        #expect(refused.failure?.status == 126)
    }

    @Test func `input is piped in, and ends`() throws {
        #expect(try Outcome.of(["cat"], input: Array("hello".utf8)).text == "hello")
        #expect(try Outcome.of("wc -c", input: []).text == "0\n")
        // Without input there is an end at once.
        #expect(try Outcome.of("wc -c").text == "0\n")
    }

    @Test(arguments: [1, 65_535, 65_536, 65_537, 3_000_000])
    func `input and output of any size and bytes arrive whole`(count: Int) throws {
        var random = SeededGenerator(seed: UInt64(count))
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let outcome = try Outcome.of("cat; exit 3", input: bytes)
        #expect(outcome.output == bytes)
        #expect(outcome.end?.status == .exited(3))
    }

    @Test func `input that nobody reads holds up nothing`() throws {
        let bytes = [UInt8](repeating: 1, count: 1 << 20)
        #expect(try Outcome.of("exec <&-; echo done; exit 4", input: bytes).end?.status == .exited(4))
        #expect(try Outcome.of("head -c 3 | wc -c", input: bytes).text == "3\n")
    }

    @Test func `a reader that takes nothing holds up its stream alone`() throws {
        let agent = try RealAgent()
        try agent.start(
            CommandRequest(arguments: ["sh", "-c", "head -c 2000000 /dev/zero & sleep 1; echo errors >&2; wait"]))
        var held = 0
        // Errors get through though output does not.
        _ = try agent.expect { event in
            if case .output(.output, let bytes) = event { held += bytes.count }
            return event == .output(.errors, Array("errors\n".utf8)) ? true : nil
        }
        #expect(held == AgentProtocol.outputWindow)
        #expect(try agent.step(within: .seconds(1)) == nil)
        // Now it takes all.
        var total = held
        agent.session.consumed(held, of: .output)
        let end = try agent.expect { event -> CommandEnd? in
            if case .output(.output, let bytes) = event {
                total += bytes.count
                agent.session.consumed(bytes.count, of: .output)
            }
            if case .ended(let end) = event { return end }
            return nil
        }
        #expect(total == 2_000_000)
        #expect(end.status == .exited(0))
    }

    @Test func `closed output is a broken pipe`() throws {
        let agent = try RealAgent()
        try agent.start(CommandRequest(arguments: ["yes"]))
        _ = try agent.expect { if case .output = $0 { true } else { nil } }
        agent.session.close(.output)
        let end = try agent.expect { if case .ended(let end) = $0 { end } else { nil } }
        #expect(end.status == .signaled(13))
    }

    @Test func `the environment is what was asked for, and HOME`() throws {
        let outcome = try Outcome.of(["env"]) { $0.environment = ["PATH=/usr/bin:/bin", "A=b=c", "E=", "U=ä\n"] }
        #expect(outcome.text == "PATH=/usr/bin:/bin\nA=b=c\nE=\nU=ä\n\nHOME=/root\n")
        #expect(try Outcome.of(["/usr/bin/env"]) { $0.environment = ["HOME=/h"] }.text == "HOME=/h\n")
    }

    @Test func `arguments arrive as they are`() throws {
        let arguments = ["", " ", "a b", "\"'$`", "ü", "\n"]
        let outcome = try Outcome.of(["sh", "-c", "printf '<%s>' \"$@\"", "name"] + arguments)
        #expect(outcome.text == arguments.map { "<\($0)>" }.joined())
        let many = (0..<20_000).map { "\($0)" }
        #expect(try Outcome.of(["sh", "-c", "echo $#", "x"] + many).text == "20000\n")
    }

    @Test func `the working directory is made where it is missing`() throws {
        let folder = Folder()
        #expect(try Outcome.of("pwd") { $0.workingDirectory = folder.path }.text == "\(folder.path)\n")
        let deep = "\(folder.path)/a/b c/d"
        #expect(try Outcome.of("pwd") { $0.workingDirectory = deep }.text == "\(deep)\n")
        let outcome = try Outcome.of("pwd") { $0.workingDirectory = "/etc/passwd" }
        #expect(outcome.failure?.status == 126)
        #expect(outcome.failure?.message == "/etc/passwd: not a directory")
    }

    static let users: [(String, String)] = [
        ("", "0:0:0"), ("root", "0:0:0"), ("daemon", "1:1:1"), ("daemon:mail", "1:8:8"), ("daemon:7", "1:7:7"),
        ("54321", "54321:0:0"), ("54321:4", "54321:4:4"), ("1", "1:1:1"),
    ]

    @Test(.needsRoot, arguments: users) func `users and groups are found`(user: String, ids: String) throws {
        let outcome = try Outcome.of("echo $(id -u):$(id -g):$(id -G)") { $0.user = user }
        #expect(outcome.text == "\(ids)\n")
    }

    @Test(arguments: ["no-such-user", "daemon:no-such-group", "99999999999", "-1"])
    func `unknown users are told`(user: String) throws {
        let outcome = try Outcome.of("true") { $0.user = user }
        #expect(outcome.failure?.status == 125)
        #expect(outcome.failure?.message == "\(user): no such user or group")
    }

    @Test(.needsRoot) func `another user has its home, and may open its streams`() throws {
        let outcome = try Outcome.of("echo $HOME; echo out >/dev/stdout; echo err >/dev/stderr") { $0.user = "daemon" }
        #expect(outcome.text == "/usr/sbin\nout\n")
        #expect(outcome.errorText == "err\n")
    }

    @Test func `a command has a session of its own, and usual signals`() throws {
        let outcome = try Outcome.of("ps -o sid= -p $$; echo $$; grep -E 'Sig(Blk|Ign)' /proc/self/status; umask")
        let lines = outcome.text.split(separator: "\n").map { $0.split(separator: " ").joined() }
        #expect(lines.count == 5)
        #expect(lines[0] == lines[1])
        #expect(lines[2] == "SigBlk:\t0000000000000000")
        // But for what the C library keeps for itself, which no program resets.
        #expect(lines[3].hasSuffix("0000000"))
        #expect(lines[4] == "0022")
    }

    @Test func `a command has no descriptors but its streams`() throws {
        let agent = try RealAgent()
        // What the agent itself had from whoever ran the tests: files without O_CLOEXEC.
        let inherited = Child.run(
            "/bin/sh",
            ["-c", "cd /proc/\(agent.process.id)/fdinfo && echo $(grep -L '^flags:.*0[2367]......$' *)"])
        let text = try agent.finish(CommandRequest(arguments: ["sh", "-c", "ls /proc/$$/fd; true"]), input: []).text
        let known = Set(inherited.output.split(whereSeparator: \.isWhitespace)).union(["0", "1", "2"])
        #expect(Set(text.split(whereSeparator: \.isWhitespace)).subtracting(known).isEmpty)
    }

    @Test func `its resources are told`() throws {
        let end = try Outcome.of("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").end
        let (time, size) = (try #require(end).userTime, try #require(end).maximumResidentSize)
        #expect((1000..<60_000_000).contains(time))
        #expect((500..<1 << 20).contains(size))
    }
}
