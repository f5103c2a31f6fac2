import CLinux
import Glibc
import HostIO
import TestSupport
import Testing

/// Consoles that clients come to: pseudo-terminals and sockets; and files.
@Suite struct PseudoterminalConsoleTests {
    private let loop: EventLoop
    private let directory = TemporaryDirectory()

    init() throws { loop = try EventLoop(name: "test") }

    @Test func `clients come and go`() throws {
        let guest = TestGuest()
        let console = try Console(.pseudoterminal(link: nil), loop: loop)
        try guest.start(console)
        let path = try #require(console.path)
        // Without a client output is thrown away, and the guest never waits.
        console.writeAll(pattern(300_000))
        for round in 0..<3 {
            let client = Descriptor.opening(path, O_RDWR | O_NOCTTY)
            #expect(TestTerminal.isRaw(client.raw))
            #expect(
                eventually {
                    console.write("."); return client.isReady()
                })
            console.write("hello \(round)\n")
            #expect(client.receive(until: "\n").hasSuffix("hello \(round)\n"))
            client.send("input \(round)")
            #expect(eventually { guest.text.hasSuffix("input \(round)") })
            // A client may leave the terminal in any mode.
            var mode = termios()
            tcgetattr(client.raw, &mode)
            mode.c_lflag |= tcflag_t(ECHO | ICANON)
            tcsetattr(client.raw, TCSANOW, &mode)
            withExtendedLifetime(consume client) {}
            usleep(50_000)
        }
        console.close()
    }

    @Test func `a client that comes at once after another is served too`() throws {
        let guest = TestGuest()
        let console = try Console(.pseudoterminal(link: nil), loop: loop)
        try guest.start(console)
        let path = try #require(console.path)
        for round in 0..<20 {
            let client = Descriptor.opening(path, O_RDWR | O_NOCTTY)
            client.send("input \(round)")
            #expect(eventually { guest.text.hasSuffix("input \(round)") })
            if round.isMultiple(of: 3) { usleep(1000) }
        }
        console.close()
    }

    @Test func `what a client sent before it left is read`() throws {
        let guest = TestGuest(room: 0)
        let console = try Console(.pseudoterminal(link: nil), loop: loop)
        try guest.start(console)
        do {
            let client = Descriptor.opening(try #require(console.path), O_RDWR | O_NOCTTY)
            client.send("poweroff\n")
        }
        usleep(150_000)
        guest.setRoom(.max)
        #expect(
            eventually {
                console.inputReady(); return guest.text == "poweroff\n"
            })
        console.close()
    }

    @Test func `a link leads to the terminal while it is there`() throws {
        let link = directory.path + "/console"
        let console = try Console(.pseudoterminal(link: link), loop: loop)
        let target = Descriptor.opening(link, O_RDWR | O_NOCTTY)
        #expect(String(cString: ttyname(target.raw)) == console.path)
        console.close()
        #expect(access(link, F_OK) == -1)

        // One that was left behind is replaced, anything else is not.
        symlink("/dev/pts/99999", link)
        let second = try Console(.pseudoterminal(link: link), loop: loop)
        #expect(access(link, F_OK) == 0)
        // One that somebody made since is not removed.
        unlink(link)
        symlink("/tmp", link)
        second.close()
        #expect(throws: HostError("create", link, .fileExists)) {
            try Console(.pseudoterminal(link: link), loop: loop)
        }
        unlink(link)
        #expect(throws: HostError.self) {
            try Console(.pseudoterminal(link: directory.file("plain")), loop: loop)
        }
    }
}

@Suite struct SocketConsoleTests {
    private let loop: EventLoop
    private let directory = TemporaryDirectory()
    private var path: String { directory.path + "/socket" }

    init() throws { loop = try EventLoop(name: "test") }

    private func connect() -> Descriptor { Descriptor(caisson_unix_connect(path)) }

    @Test func `one client at a time is served, and told when it has to wait`() throws {
        let guest = TestGuest()
        let console = try Console(.socket(path: path), loop: loop)
        try guest.start(console)
        #expect(console.path == path)
        console.writeAll(pattern(300_000))
        for round in 0..<3 {
            let client = connect()
            #expect(
                eventually {
                    console.write("."); return client.isReady()
                })
            console.write("hello \(round)\n")
            #expect(client.receive(until: "\n").hasSuffix("hello \(round)\n"))
            let second = connect()
            #expect(second.receiveText(1000) == "another client has this console\r\n")
            client.send("input \(round)")
            #expect(eventually { guest.text.hasSuffix("input \(round)") })
            // A process that another test starts right now has the descriptor, too, until it executes its program.
            #expect(shutdown(client.raw, Int32(SHUT_RDWR)) == 0)
        }
        console.close()
        #expect(access(path, F_OK) == -1)
    }

    @Test func `a client that sends and leaves is heard, and the next one served`() throws {
        let guest = TestGuest(room: 0)
        let console = try Console(.socket(path: path), loop: loop)
        try guest.start(console)
        let bytes = pattern(100_000)
        let sent = Thread { [self] in
            let client = connect()
            client.send(bytes)
        }
        #expect(
            eventually {
                guest.setRoom(1000)
                console.inputReady()
                return guest.received.count == bytes.count
            })
        sent.join()
        #expect(guest.received == bytes)
        let next = connect()
        #expect(
            eventually {
                console.write("x"); return next.isReady()
            })
        #expect(next.receiveText(1) == "x")
        console.close()
    }

    @Test func `a client that only listens from now on still gets output`() throws {
        let guest = TestGuest()
        let console = try Console(.socket(path: path), loop: loop)
        try guest.start(console)
        do {
            let client = connect()
            client.send("uname\n")
            shutdown(client.raw, Int32(SHUT_WR))
            #expect(eventually { guest.text == "uname\n" })
            usleep(10_000)
            console.write("Linux\n")
            #expect(client.receiveText(6) == "Linux\n")
        }
        let next = connect()
        #expect(
            eventually {
                console.write("x"); return next.isReady()
            })
        #expect(next.receiveText(1) == "x")
        console.close()
    }

    @Test func `a slow client slows the guest and loses nothing`() throws {
        let console = try Console(.socket(path: path), loop: loop)
        try TestGuest().start(console)
        let client = connect()
        #expect(
            eventually {
                console.write("."); return client.isReady()
            })
        console.write("\n")
        _ = client.receive(until: "\n")
        let bytes = pattern(1 << 20)
        let writer = Thread { console.writeAll(bytes) }
        usleep(10_000)
        #expect(client.receive(bytes.count) == bytes)
        writer.join()
        console.close()
    }

    @Test func `the socket is its owner's alone, and replaces a dead one only`() throws {
        let first = try Console(.socket(path: path), loop: loop)
        var status = stat()
        #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(throws: HostError("listen on", path, .addressInUse)) { try Console(.socket(path: path), loop: loop) }
        // Closing does not remove what somebody else made in its place.
        unlink(path)
        let dead = Descriptor(caisson_unix_listen(path))
        first.close()
        #expect(access(path, F_OK) == 0)
        close(dup(dead.raw))
        #expect(throws: HostError.self) { try Console(.socket(path: path), loop: loop) }
        shutdown(dead.raw, Int32(SHUT_RDWR))
        let second = try Console(.socket(path: path), loop: loop)
        second.close()
        #expect(access(path, F_OK) == -1)
    }

    @Test func `a file in the way, a missing folder and a long path are refused`() {
        let file = directory.file("plain", "precious")
        #expect(throws: HostError("listen on", file, .addressInUse)) { try Console(.socket(path: file), loop: loop) }
        #expect(Descriptor.opening(file, O_RDONLY).receiveText(100) == "precious")
        #expect(throws: HostError.self) { try Console(.socket(path: directory.path + "/none/s"), loop: loop) }
        let long = directory.path + "/" + String(repeating: "s", count: 100)
        #expect(throws: HostError("listen on", long, .fileNameTooLong)) {
            try Console(.socket(path: long), loop: loop)
        }
    }
}

@Suite struct FileConsoleTests {
    private let loop: EventLoop
    private let directory = TemporaryDirectory()

    init() throws { loop = try EventLoop(name: "test") }

    @Test func `a file takes the output down from its start`() throws {
        let path = directory.file("log", "older and longer than what comes")
        let console = try Console(.file(path: path), loop: loop)
        let guest = TestGuest()
        try guest.start(console)
        console.write("line\n")
        console.show("note")
        console.close()
        #expect(Descriptor.opening(path, O_RDONLY).receiveText(100) == "line\nnote")
        #expect(guest.events.isEmpty)
    }

    @Test func `a file that cannot be written is refused or reported`() throws {
        #expect(throws: HostError("open", directory.path, .isDirectory)) {
            try Console(.file(path: directory.path), loop: loop)
        }
        #expect(throws: HostError.self) { try Console(.file(path: directory.path + "/none/log"), loop: loop) }
        let guest = TestGuest()
        let console = try Console(.file(path: "/dev/full"), loop: loop)
        try guest.start(console)
        console.writeAll(pattern(100_000))
        #expect(eventually { guest.events == [.outputFailed(HostError("write to", "/dev/full", .noSpace))] })
        console.close()
    }

    @Test func `none takes everything and gives nothing`() throws {
        let console = try Console(.none, loop: loop)
        let guest = TestGuest()
        try guest.start(console)
        #expect(console.path == nil)
        #expect(console.write(pattern(100_000).span) == 100_000)
        console.inputReady()
        console.close()
        #expect(guest.received.isEmpty && guest.events.isEmpty)
    }

    @Test func `consoles give back every descriptor and thread`() async {
        await #expect(processExitsWith: .success) {
            let directory = TemporaryDirectory()
            let before = try settledResources(threads: "leak")
            for round in 0..<20 {
                let loop = try EventLoop(name: "leak")
                let socket = directory.path + "/s"
                let kinds: [ConsoleSpecification] = [
                    .terminal, .none, .file(path: directory.path + "/f"), .pseudoterminal(link: nil),
                    .socket(path: socket),
                ]
                for kind in kinds {
                    let (input, _) = Descriptor.pipe()
                    let (_, output) = Descriptor.pipe()
                    let console = try Console(
                        kind, loop: loop, standardInput: input.raw, standardOutput: output.raw)
                    try TestGuest().start(console)
                    let client = kind == .socket(path: socket) ? Descriptor(caisson_unix_connect(socket)) : nil
                    console.write("x")
                    if let client {
                        _ = eventually {
                            console.write("x"); return client.isReady()
                        }
                    }
                    // Half of them are merely let go of.
                    if round.isMultiple(of: 2) { console.close() }
                }
                loop.stop()
            }
            let after = resources(threads: "leak")
            precondition(after == before, "\(after) is not \(before)")
        }
    }
}
