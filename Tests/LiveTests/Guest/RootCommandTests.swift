import Glibc
import TestSupport
import Testing

/// `caisson run --root FILE -- COMMAND`, as a container would be run. Each boot takes seconds, where kernels are emulated a minute:
/// each test looks at much.
@Suite(.serialized, .needsKVM, .needsAgent, .needsRootTools, .timeLimit(.minutes(15)))
struct RootCommandTests {
    @Test(arguments: ["erofs", "squashfs", "ext4"])
    func `a command has its streams, its status and a root of its own`(type: String) throws {
        let image = try RootImage(type)
        let sum = image.sum
        let script = """
            cat; echo "$A|$HOME|$PWD|$HOSTNAME"; busybox uname -n; id -u; id -G; echo err >&2; cat /etc/note
            echo mine >/tmp/x && cat /tmp/x; touch /home/builder/y && ls /home/builder
            ip -o -4 addr show eth0 | head -1; cat /etc/resolv.conf
            exit 7
            """
        let run = try image.run(
            ["-i", "-e", "A=b c", "-w", "/home/builder/new", "-u", "builder"], ["sh", "-c", script])
        run.input?.send("line 1\nline 2")
        run.input = nil
        let (output, status) = run.finish()
        let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(
            lines.prefix(9) == [
                "line 1", "line 2b c|/home/builder|/home/builder/new|t", "t", "1000", "1000 10", "original", "mine",
                "new",
                "y",
            ])
        #expect(output.contains("inet 10.0.2.15/24"))
        #expect(output.contains("nameserver 10.0.2.3"))
        #expect(status == 7)
        #expect(run.errors == "err\n")
        #expect(image.sum == sum)
        #expect(image.folder.files == ["image", "root"])
        #expect(run.folder.files.isEmpty)
    }

    @Test func `what cannot be started has a shell's status`() throws {
        let image = try RootImage("erofs")
        let cases: [([String], [String], Int32, String)] = [
            ([], ["nosuch"], 127, "caisson: nosuch: no such command\n"),
            ([], ["/etc/note"], 126, "caisson: /etc/note: permission denied\n"),
            (["-u", "nobody"], ["true"], 125, "caisson: nobody: no such user or group\n"),
        ]
        for (options, command, status, errors) in cases {
            let run = try image.run(options, command)
            #expect(run.finish().status == status)
            #expect(run.errors == errors)
        }
    }

    @Test func `what is no root file system is told`() throws {
        let folder = Folder()
        let zeroes = folder.file("zeroes", [UInt8](repeating: 0, count: 65_536))
        let guest = try #require(DefaultGuest.folder)
        let run = try CommandRun(
            in: Folder(), ["--root", "\(zeroes),fs=erofs", "--", "true"], environment: ["CAISSON_GUEST": guest])
        #expect(run.finish().status == 125)
        #expect(run.errors == "caisson: /dev/vda: invalid argument, or no such file system there\n")
    }

    @Test func `a guest without sockets does not wait for ever`() throws {
        let image = try RootImage("erofs")
        let run = try image.run(["--append", "initcall_blacklist=virtio_vsock_init"], ["true"])
        #expect(run.finish().status == 125)
        withExtendedLifetime(image) {}
        #expect(run.errors == "caisson: the guest ended before its command\n")
    }

    @Test func `signals reach the command, which may handle them`() throws {
        let image = try RootImage("erofs")
        let script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 1; done"
        let run = try image.run([], ["sh", "-c", script])
        try run.expect("ready\n", within: .seconds(300))
        run.process.send(SIGTERM)
        let (output, status) = run.finish()
        #expect(output == "got it\n")
        #expect(status == 9)

        let ended = try image.run([], ["sh", "-c", "echo ready; exec sleep 1000"])
        try ended.expect("ready\n", within: .seconds(300))
        ended.process.send(SIGINT)
        #expect(ended.finish().status == 130)

        // It does not hear the first two.
        let deaf = try image.run([], ["sh", "-c", "trap '' INT; echo ready; sleep 1000"])
        try deaf.expect("ready\n", within: .seconds(300))
        for _ in 0..<2 {
            deaf.process.send(SIGINT)
            #expect(deaf.process.ending(within: .milliseconds(500)) == nil)
        }
        deaf.process.send(SIGINT)
        #expect(deaf.finish().status == 130)
    }

    @Test func `a terminal is the command's`() throws {
        let image = try RootImage("erofs")
        let terminal = TestTerminal()
        let modes = terminal.modes
        terminal.resize(rows: 31, columns: 97)
        let run = try image.run(["-it"], ["sh"], on: terminal)
        func type(_ text: String) { terminal.master.send(text) }
        func expect(_ text: String) throws {
            try #require(terminal.master.receive(until: text, within: .seconds(300)).hasSuffix(text))
        }
        try expect("/ # ")
        #expect(terminal.isRaw)
        type("stty size; tty; echo $TERM\n")
        try expect("31 97\r\n/dev/pts/0\r\nvt220\r\n")
        try expect("/ # ")
        terminal.resize(rows: 12, columns: 60)
        run.process.send(SIGWINCH)
        type("sleep 1; stty size\n")
        try expect("12 60\r\n")
        try expect("/ # ")
        // Ctrl-C is the foreground command's signal, and the shell goes on.
        type("sleep 1000\n")
        try expect("sleep 1000\r\n")
        usleep(1_000_000)
        type("\u{3}")
        try expect("/ # ")
        type("exit 5\n")
        #expect(run.process.ending(within: .seconds(60)) == .exited(5))
        #expect(terminal.modes == modes)
        #expect(run.errors == "")
    }

    @Test func `much output waits for a slow reader, and none is lost`() throws {
        let image = try RootImage("erofs")
        let run = try image.run([], ["sh", "-c", "head -c 3000000 /dev/zero; exit 4"])
        let first = run.output?.receive(1, within: .seconds(300))
        #expect(first == [0])
        usleep(2_000_000)
        let (output, status) = run.finish()
        #expect(output.utf8.count == 2_999_999)
        #expect(status == 4)
    }

    @Test func `nobody reading is a broken pipe`() throws {
        let image = try RootImage("erofs")
        let run = try image.run([], ["yes"])
        #expect(run.output?.receive(2, within: .seconds(300)).count == 2)
        run.output = nil
        #expect(run.process.ending(within: .seconds(120)) == .exited(141))
    }

    @Test func `being killed leaves nothing behind`() throws {
        let image = try RootImage("erofs")
        let sum = image.sum
        let run = try image.run(["--disk", "size=16M"], ["sh", "-c", "echo x >/x; echo ready; sleep 1000"])
        try run.expect("ready\n", within: .seconds(300))
        let children = Child.run("/bin/ps", ["-o", "pid=", "--ppid", "\(run.process.id)"]).output
            .split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
        // The user network's helper.
        #expect(children.count == 1)
        run.process.send(SIGKILL)
        #expect(run.process.ending() == .killed(signal: SIGKILL))
        for child in children {
            #expect((0..<1000).contains { _ in usleep(10_000) == 0 && kill(child, 0) != 0 })
        }
        #expect(image.sum == sum)
        #expect(image.folder.files == ["image", "root"])
        #expect(run.folder.files.isEmpty)
    }
}

/// The same where no guest ever gets as far as its agent.
@Suite(.needsKVM, .needsAgent, .timeLimit(.minutes(2)))
struct LostCommandTests {
    private func run(_ code: [UInt8], _ options: [String] = []) throws -> CommandRun {
        let folder = Folder()
        let root = folder.file("root", [UInt8](repeating: 0, count: 4096))
        let guest = try #require(DefaultGuest.folder)
        let run = try CommandRun(
            code, ["--root", "\(root),fs=erofs"] + options + ["--", "true"], environment: ["CAISSON_GUEST": guest])
        _ = run.finish(within: .seconds(60))
        withExtendedLifetime(folder) {}
        return run
    }

    @Test func `a crash is told with the console's last lines`() throws {
        let said = "Oops!".flatMap { GuestCode.print($0) } + GuestCode.print("\n")
        let run = try run(said + GuestCode.write(1, to: 0x505) + GuestCode.spin)
        #expect(run.status() == 125)
        #expect(run.errors == "caisson: the guest's kernel panicked\ncaisson: console: Oops!\n")
    }

    @Test func `a guest that ends early is told`() throws {
        let run = try run(GuestCode.powerOff)
        #expect(run.status() == 125)
        #expect(run.errors == "caisson: the guest ended before its command\n")
    }

    @Test func `a time-out is one`() throws {
        let run = try run(GuestCode.spin, ["--timeout", "300ms"])
        #expect(run.status() == 124)
        #expect(run.errors == "caisson: t is stopped: its time of 0.3 seconds is over\n")
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1]) func `a signal ends it`(signal: Int32) throws {
        let folder = Folder()
        let root = folder.file("root", [UInt8](repeating: 0, count: 4096))
        let guest = try #require(DefaultGuest.folder)
        let run = try CommandRun(
            GuestCode.spin, ["--root", "\(root),fs=erofs", "--console", "file:log", "--", "true"],
            environment: ["CAISSON_GUEST": guest])
        // It has started when its console is there.
        #expect((0..<1000).contains { _ in usleep(10_000) == 0 && access("\(run.folder.path)/log", F_OK) == 0 })
        run.process.send(signal)
        #expect(run.status() == 128 + signal)
        #expect(run.errors == "")
    }
}
