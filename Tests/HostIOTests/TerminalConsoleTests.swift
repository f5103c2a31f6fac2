import Glibc
import HostIO
import TestSupport
import Testing

/// Consoles on a terminal. A process has one at most in raw mode, so these run one after another.
@Suite(.serialized) struct TerminalConsoleTests {
    private let loop: EventLoop
    private let terminal = TestTerminal()

    init() throws { loop = try EventLoop(name: "test") }

    private func console() throws -> Console {
        try Console(.terminal, loop: loop, standardInput: terminal.slave.raw, standardOutput: terminal.slave.raw)
    }

    @Test func `bytes pass as they are while the terminal is raw`() throws {
        let before = terminal.modes
        let guest = TestGuest()
        let console = try console()
        #expect(terminal.modes == before)
        try guest.start(console)
        #expect(terminal.isRaw)
        console.write("\u{1b}[2Ja\r\nb\nc")
        #expect(terminal.master.receiveText(10) == "\u{1b}[2Ja\r\nb\nc")
        terminal.master.send("\u{3}\u{4}\u{1a}\u{11}\u{13}\r")
        #expect(eventually { guest.text == "\u{3}\u{4}\u{1a}\u{11}\u{13}\r" })
        #expect(fcntl(terminal.slave.raw, F_GETFL) & O_NONBLOCK == 0)
        console.close()
        #expect(terminal.modes == before)
        #expect(!Terminal.isRaw)
    }

    @Test func `commands reach the machine and not the guest, even one that takes nothing`() throws {
        let guest = TestGuest(room: 0)
        let console = try console()
        try guest.start(console)
        terminal.master.send(pattern(5000))
        for key in ["\u{1}", "c", "ab\u{1}c\u{1}", "xq"] { terminal.master.send(key) }
        #expect(eventually { guest.events == [.togglePause, .togglePause, .quit] })
        guest.setRoom(.max)
        console.inputReady()
        #expect(eventually { guest.received == pattern(5000) + Array("abq".utf8) })
        console.close()
    }

    @Test func `the help is shown on the terminal`() throws {
        let console = try console()
        try TestGuest().start(console)
        terminal.master.send("\u{1}h")
        let text = EscapeKey.help.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
        #expect(terminal.master.receiveText(text.utf8.count) == text)
        console.close()
    }

    @Test func `a pasted megabyte reaches a slow guest whole and in order`() throws {
        let guest = TestGuest(room: 0)
        let console = try console()
        try guest.start(console)
        let bytes = pattern(1 << 20)
        let master = terminal.master
        let typist = Thread { master.send(bytes) }
        #expect(
            eventually {
                for _ in 0..<200 {
                    guest.setRoom(16)
                    console.inputReady()
                }
                return guest.received.count == bytes.count
            })
        typist.join()
        #expect(guest.received == bytes)
        console.close()
    }

    @Test func `a terminal that goes away is an end of input`() throws {
        let guest = TestGuest()
        var terminal: TestTerminal? = TestTerminal()
        let slave = dup(terminal?.slave.raw ?? -1)
        let console = try Console(.terminal, loop: loop, standardInput: slave, standardOutput: slave)
        try guest.start(console)
        terminal = nil
        #expect(eventually { guest.events.contains(.inputEnded) })
        #expect(
            eventually {
                console.write("x"); return guest.events.count == 2
            })
        console.close()
        close(slave)
    }
}
