import Glibc
import TestSupport
import Testing

/// The built command on a terminal.
@Suite(.needsKVM, .timeLimit(.minutes(2)))
struct TerminalKeyTests {
    private static let key = "\u{1}"

    /// A guest that has the terminal, and what the terminal's settings were before.
    private func start(_ code: [UInt8], _ options: [String] = []) throws -> (TestTerminal, [tcflag_t], CommandRun) {
        let terminal = TestTerminal()
        let before = terminal.modes
        let run = try CommandRun(GuestCode.print(">") + code, options, on: terminal)
        #expect(terminal.master.receiveText(1) == ">")
        return (terminal, before, run)
    }

    @Test func quitting() throws {
        let (terminal, before, run) = try start(GuestCode.echo)
        #expect(terminal.isRaw)
        terminal.master.send(Self.key + "x")
        #expect(run.status() == 0)
        #expect(run.errors == "")
        #expect(terminal.modes == before)
    }

    @Test func quittingABusyGuest() throws {
        let (terminal, before, run) = try start(GuestCode.spin)
        terminal.master.send("is not taken" + Self.key + "x")
        #expect(run.status() == 0)
        #expect(terminal.modes == before)
    }

    @Test func everyOtherKeyIsTheGuests() throws {
        let (terminal, _, run) = try start(GuestCode.echo)
        // Ctrl-C, Ctrl-D, Ctrl-Q, Ctrl-S, Ctrl-Z, Ctrl-\, return, Ctrl-A Ctrl-A, and a slip that is swallowed.
        terminal.master.send([0x03, 0x04, 0x11, 0x13, 0x1a, 0x1c, 0x0d, 0x01, 0x01, 0x01, 0x6e, 0x7f])
        #expect(terminal.master.receive(9) == [0x04, 0x05, 0x12, 0x14, 0x1b, 0x1d, 0x0e, 0x02, 0x80])
        #expect(run.process.ending(within: .zero) == nil)
    }

    @Test(arguments: ["h", "?"]) func help(letter: String) throws {
        let (terminal, _, run) = try start(GuestCode.spin)
        terminal.master.send(Self.key + letter)
        let end = "send Ctrl-A to the guest\r\n"
        let text = terminal.master.receive(until: end)
        #expect(text.hasSuffix(end))
        for line in ["Ctrl-A x       stop the machine and quit\r\n", "Ctrl-A c       pause", "Ctrl-A h "] {
            #expect(text.contains(line), "\(text)")
        }
        #expect(run.process.ending(within: .zero) == nil)
    }

    @Test func whatTheMachineDoesIsShownOnce() throws {
        let (terminal, _, run) = try start(GuestCode.spin)
        terminal.master.send(Self.key + "i")
        let text = terminal.master.receive(until: "beside it\r\n")
        #expect(text.hasPrefix("\r\n[t, in a second:]\r\n  vCPU "))
        #expect(text.contains("\r\n  entropy device "))
        #expect(text.hasSuffix(" beside it\r\n"))
        #expect(run.process.ending(within: .zero) == nil)
    }

    @Test func pausingAndGoingOn() throws {
        let (terminal, before, run) = try start(GuestCode.echo)
        for _ in 0..<2 {
            terminal.master.send(Self.key + "c")
            #expect(terminal.master.receive(until: "goes on]\r\n") == "\r\n[t: paused; Ctrl-A c goes on]\r\n")
            terminal.master.send("A")
            #expect(!terminal.master.isReady(POLLIN, 200))
            terminal.master.send(Self.key + "c")
            // The guest may be faster than the message.
            let text = terminal.master.receiveText(1 + "\r\n[t: resumed]\r\n".utf8.count)
            #expect(text.replacing("B", with: "") == "\r\n[t: resumed]\r\n" && text.contains("B"), "\(text)")
        }
        // A paused machine ends as any other.
        terminal.master.send(Self.key + "c")
        _ = terminal.master.receive(until: "goes on]\r\n")
        terminal.master.send(Self.key + "x")
        #expect(run.status() == 0)
        #expect(terminal.modes == before)
    }

    @Test func changingMemory() throws {
        let (terminal, _, run) = try start(GuestCode.spin, ["--balloon"])
        for (letter, answer) in [
            ("+", "is to have 32M of memory"), ("-", "is to have 28M of memory"), ("-", "is to have 24M of memory"),
            ("=", "is to have 28M of memory"), ("m", "has 32M of memory and is to have 28M"),
        ] {
            terminal.master.send(Self.key + letter)
            #expect(terminal.master.receive(until: "]\r\n") == "\r\n[t: the guest \(answer)]\r\n")
        }
        for _ in 0..<9 { terminal.master.send(Self.key + "-") }
        // The last eighth stays.
        #expect(terminal.master.receive(until: "have 4M of memory]\r\n").hasSuffix("have 4M of memory]\r\n"))
        #expect(run.process.ending(within: .zero) == nil)
    }

    @Test func memoryWithoutABalloonStaysAsItIs() throws {
        let (terminal, _, run) = try start(GuestCode.spin)
        terminal.master.send(Self.key + "-")
        #expect(
            terminal.master.receive(until: "]\r\n")
                == "\r\n[t: the machine has no memory balloon; it gets one by --balloon]\r\n")
        #expect(run.process.ending(within: .zero) == nil)
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGSEGV, SIGABRT])
    func settingsComeBackAfterASignal(signal: Int32) throws {
        let (terminal, before, run) = try start(GuestCode.spin)
        #expect(terminal.isRaw)
        run.process.send(signal)
        let isHandled = [SIGTERM, SIGINT, SIGHUP].contains(signal)
        #expect(run.process.ending() == (isHandled ? .exited(128 + signal) : .killed(signal: signal)))
        #expect(terminal.modes == before)
    }

    @Test func settingsComeBackAfterASignalToAPausedGuest() throws {
        let (terminal, before, run) = try start(GuestCode.spin)
        terminal.master.send(Self.key + "c")
        _ = terminal.master.receive(until: "goes on]\r\n")
        run.process.send(SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
        #expect(terminal.modes == before)
    }

    @Test(
        arguments: [
            (GuestCode.powerOff, [], 0), (GuestCode.tripleFault, [], 3),
            (GuestCode.write(3, to: 0xf4) + GuestCode.spin, ["--debug-exit"], 7),
            (GuestCode.spin, ["--timeout", "100ms"], 124),
        ] as [([UInt8], [String], Int32)])
    func settingsComeBackAfterTheGuestsEnd(code: [UInt8], options: [String], status: Int32) throws {
        let (terminal, before, run) = try start(code, options)
        #expect(run.status() == status)
        #expect(terminal.modes == before)
    }

    @Test func settingsStayWhereItFails() throws {
        let terminal = TestTerminal()
        let before = terminal.modes
        let run = try CommandRun(GuestCode.spin, ["--initrd", "/dev/null"], on: terminal)
        #expect(run.status() == 1)
        #expect(terminal.modes == before)
    }

    @Test func theEndOfTheTerminalIsTheEnd() throws {
        var terminal: TestTerminal? = TestTerminal()
        let run = try CommandRun(GuestCode.print(">") + GuestCode.spin, on: terminal)
        #expect(terminal?.master.receiveText(1) == ">")
        terminal = nil
        #expect(run.status() == 128 + SIGHUP)
    }

    /// As a job of a shell: stopped from outside, and brought back.
    @Test func aStoppedJobLeavesTheTerminalUsable() throws {
        let terminal = TestTerminal()
        let before = terminal.modes
        let script = "set -m; \"$@\"; echo STOPPED; read -r line; fg >&2; echo \"ENDED $?\""
        let run = try CommandRun(
            GuestCode.print(">") + GuestCode.echo, on: terminal, behind: ["/bin/sh", "-c", script, "sh"])
        #expect(terminal.master.receiveText(1) == ">")
        let job = tcgetpgrp(terminal.master.raw)
        try #require(job > 0 && job != run.process.id)
        defer { kill(-job, SIGKILL) }
        kill(job, SIGTSTP)
        #expect(terminal.master.receive(until: "STOPPED\r\n").hasSuffix("STOPPED\r\n"))
        #expect(!terminal.isRaw)
        terminal.master.send("\n")
        while !terminal.isRaw, run.process.ending(within: .milliseconds(5)) == nil {}
        terminal.master.send("A")
        #expect(terminal.master.receive(until: "B").hasSuffix("B"))
        terminal.master.send(Self.key + "x")
        #expect(terminal.master.receive(until: "ENDED 0\r\n").hasSuffix("ENDED 0\r\n"))
        #expect(run.status() == 0)
        #expect(terminal.modes == before)
    }
}
