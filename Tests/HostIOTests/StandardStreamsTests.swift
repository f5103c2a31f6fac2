import CLinux
import Glibc
import HostIO
import TestSupport
import Testing

/// Consoles on what a process finds as its standard input and output.
@Suite struct StandardStreamsTests {
    private let loop: EventLoop

    init() throws { loop = try EventLoop(name: "test") }

    private func console(_ input: Descriptor, _ output: Descriptor) throws -> Console {
        try Console(.terminal, loop: loop, standardInput: input.raw, standardOutput: output.raw)
    }

    @Test func `pipes carry both ways, and keep the flags they share with others`() throws {
        let (input, typist) = Descriptor.pipe()
        let (reader, output) = Descriptor.pipe()
        let flags = [input, output].map { fcntl($0.raw, F_GETFL) }
        let guest = TestGuest()
        let console = try console(input, output)
        try guest.start(console)
        console.write("hello")
        #expect(reader.receiveText(5) == "hello")
        // A command key is one on a terminal only.
        typist.send("ls\u{1}x\n")
        #expect(eventually { guest.text == "ls\u{1}x\n" })
        #expect(guest.events.isEmpty)
        #expect([input, output].map { fcntl($0.raw, F_GETFL) } == flags)
        console.close()
    }

    @Test func `a first byte is there when write returns, and what follows soon after`() throws {
        let (input, _) = Descriptor.pipe()
        let (reader, output) = Descriptor.pipe()
        let console = try console(input, output)
        try TestGuest().start(console)
        for text in ["a", "b"] {
            console.write(text)
            #expect(reader.isReady())
            #expect(reader.receiveText(1) == text)
            console.write("cd")
            #expect(reader.receiveText(2) == "cd")
            usleep(10_000)
        }
        console.close()
    }

    @Test func `the end of input is no end`() throws {
        let (input, typist): (Descriptor, Descriptor) = Descriptor.pipe()
        let (reader, output) = Descriptor.pipe()
        let guest = TestGuest(room: 0)
        let console = try console(input, output)
        try guest.start(console)
        var keyboard: Descriptor? = typist
        keyboard?.send("poweroff\n")
        keyboard = nil
        _ = consume typist
        guest.setRoom(.max)
        #expect(
            eventually {
                console.inputReady(); return guest.text == "poweroff\n"
            })
        #expect(eventually { guest.events == [.inputEnded] })
        console.write("going down")
        #expect(reader.receiveText(10) == "going down")
        console.close()
    }

    @Test(arguments: ["regular", "/dev/null"])
    func `files are read to their end and appended to where they stand`(kind: String) throws {
        let directory = TemporaryDirectory()
        let path = kind == "regular" ? directory.file("in", String(repeating: "0123456789", count: 2000)) : kind
        let input = Descriptor.opening(path, O_RDONLY)
        let output = Descriptor.opening(directory.file("out"), O_WRONLY | O_APPEND)
        output.send("before ")
        let guest = TestGuest(room: 100)
        let console = try console(input, output)
        try guest.start(console)
        console.write("after")
        let count = kind == "regular" ? 20_000 : 0
        #expect(
            eventually {
                guest.setRoom(777)
                console.inputReady()
                return guest.received.count == count && guest.events == [.inputEnded]
            })
        #expect(guest.text == String(repeating: "0123456789", count: count / 10))
        console.close()
        #expect(Descriptor.opening(directory.path + "/out", O_RDONLY).receiveText(100) == "before after")
    }

    @Test func `a reader that goes away costs the output, not the process`() throws {
        let (input, typist) = Descriptor.pipe()
        var (reader, output): (Descriptor?, Descriptor) = Descriptor.pipe()
        let guest = TestGuest()
        let console = try console(input, output)
        try guest.start(console)
        withExtendedLifetime(reader) {}
        reader = nil
        #expect(
            eventually {
                console.write("x"); return !guest.events.isEmpty
            })
        #expect(guest.events == [.outputFailed(HostError("write to", "standard output", .brokenPipe))])
        console.writeAll(pattern(200_000))
        typist.send("still here")
        #expect(eventually { guest.text == "still here" })
        console.close()
    }

    @Test func `a full disk costs the output, not the process`() throws {
        let (input, _) = Descriptor.pipe()
        let guest = TestGuest()
        let full = Descriptor.opening("/dev/full", O_WRONLY)
        let console = try console(input, full)
        try guest.start(console)
        console.write("x")
        #expect(eventually { guest.events.contains(.outputFailed(HostError("write to", "standard output", .noSpace))) })
        console.close()
    }

    @Test func `closed standard streams are absent`() throws {
        let guest = TestGuest()
        let console = try Console(.terminal, loop: loop, standardInput: 999_999, standardOutput: 999_998)
        try guest.start(console)
        console.writeAll(pattern(100_000))
        console.close()
        #expect(guest.events.isEmpty)
    }

    @Test func `output waits for a slow reader, is bounded, and arrives whole`() throws {
        let (input, _) = Descriptor.pipe()
        let (reader, output) = Descriptor.pipe()
        let guest = TestGuest()
        let console = try console(input, output)
        try guest.start(console)
        let bytes = pattern(1 << 20)
        // A pipe holds 64 KiB, and so does the console.
        var taken = 0
        while true {
            let piece = Array(bytes[taken..<taken + 1000])
            let count = console.write(piece.span)
            taken += count
            if count < 1000 { break }
        }
        #expect((64 * 1024...132 * 1024).contains(taken))
        #expect(console.write([0].span) == 0)
        #expect(guest.ready == 0)
        let rest = Array(bytes[taken...])
        let thread = Thread { console.writeAll(rest) }
        #expect(reader.receive(bytes.count) == bytes)
        thread.join()
        #expect(guest.ready > 0)
        console.close()
    }

    @Test func `closing writes out what is kept, but waits for nobody for ever`() throws {
        let (input, _) = Descriptor.pipe()
        let (reader, output) = Descriptor.pipe()
        let console = try console(input, output)
        try TestGuest().start(console)
        let bytes = pattern(100_000)
        console.writeAll(bytes)
        let thread = Thread { console.close(timeout: .seconds(10)) }
        #expect(reader.receive(bytes.count) == bytes)
        thread.join()

        let stuck = try self.console(input, output)
        try TestGuest().start(stuck)
        _ = stuck.write(pattern(65_536).span)
        _ = stuck.write(pattern(65_536).span)
        let start = ContinuousClock.now
        stuck.close(timeout: .milliseconds(50))
        #expect(start.duration(to: .now) < .seconds(5))
    }

    @Test func `sockets serve as standard streams`() throws {
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let (ours, peer) = (Descriptor(ends[0]), Descriptor(ends[1]))
        let guest = TestGuest()
        let console = try console(ours, ours)
        try guest.start(console)
        console.write("hello")
        #expect(peer.receiveText(5) == "hello")
        peer.send("there")
        #expect(eventually { guest.text == "there" })
        #expect(fcntl(ours.raw, F_GETFL) & O_NONBLOCK == 0)
        console.close()
    }
}
