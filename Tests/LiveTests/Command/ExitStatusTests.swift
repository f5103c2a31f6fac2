import Glibc
import TestSupport
import Testing

/// The built command from its start to its end: exit status and messages.
@Suite(.needsKVM, .timeLimit(.minutes(2)))
struct ExitStatusTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let code: [UInt8]
        var options: [String] = []
        let status: Int32
        var errors = ""
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "power-off", code: GuestCode.powerOff, status: 0),
        Case(name: "halt", code: GuestCode.halt, status: 0),
        Case(
            name: "reset without reboot", code: GuestCode.write(0xfe, to: 0x64) + GuestCode.spin,
            options: ["--no-reboot"], status: 0),
        Case(
            name: "triple fault", code: GuestCode.tripleFault, status: 3,
            errors: "caisson: the guest crashed: its processor shut down after a triple fault\n"),
        Case(
            name: "panic", code: GuestCode.write(1, to: 0x505) + GuestCode.spin, status: 3,
            errors: "caisson: the guest's kernel panicked\n"),
        Case(
            name: "debug exit 0", code: GuestCode.write(0, to: 0xf4) + GuestCode.spin, options: ["--debug-exit"],
            status: 1),
        Case(
            name: "debug exit 0x2a", code: GuestCode.write(0x2a, to: 0xf4) + GuestCode.spin,
            options: ["--debug-exit"], status: 0x55),
        Case(
            name: "debug exit 0xff", code: GuestCode.write(0xff, to: 0xf4) + GuestCode.spin,
            options: ["--debug-exit"], status: 0xff),
        Case(name: "no debug exit", code: GuestCode.write(1, to: 0xf4) + GuestCode.powerOff, status: 0),
        Case(
            name: "time-out", code: GuestCode.spin, options: ["--timeout", "200ms"], status: 124,
            errors: "caisson: t is stopped: its time of 0.2 seconds is over\n"),
        Case(
            name: "time-out after a reset", code: GuestCode.write(0xfe, to: 0x64) + GuestCode.spin,
            options: ["--timeout", "200ms"], status: 124,
            errors: "caisson: t is stopped: its time of 0.2 seconds is over\n"),
    ]

    @Test(arguments: cases) func anEndIsAStatus(_ item: Case) throws {
        let run = try CommandRun(item.code, item.options)
        #expect(run.status() == item.status)
        #expect(run.errors == item.errors)
        #expect(run.output?.receive(1) == [])
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func aSignalIsAStatus(signal: Int32) throws {
        let run = try CommandRun(GuestCode.print("R") + GuestCode.spin)
        #expect(run.output?.receiveText(1) == "R")
        run.process.send(signal)
        #expect(run.status() == 128 + signal)
        #expect(run.errors == "")
    }

    /// A signal at any moment ends it, by its own hand or by the system's.
    @Test func aSignalIsNeverTooEarly() throws {
        for delay in stride(from: 0, to: 12_000, by: 250) as StrideTo<UInt32> {
            let run = try CommandRun(GuestCode.spin)
            usleep(delay)
            run.process.send(SIGTERM)
            #expect(run.process.ending()?.status == 128 + SIGTERM)
        }
    }

    @Test func aSignalThatWasIgnoredStaysSo() throws {
        let run = try CommandRun(
            GuestCode.echo, behind: ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"])
        run.input?.send("A")
        #expect(run.output?.receiveText(1) == "B")
        run.process.send(SIGHUP)
        #expect(run.process.ending(within: .milliseconds(100)) == nil)
        run.input?.send("C")
        #expect(run.output?.receiveText(1) == "D")
        run.process.send(SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
    }

    /// Nothing of a run outlives it.
    @Test func theProcessIsTheMachine() throws {
        let run = try CommandRun(GuestCode.print("R") + GuestCode.spin)
        #expect(run.output?.receiveText(1) == "R")
        let name = ScratchFile()
        let shown = Child.run("/bin/cat", ["/proc/\(run.process.id)/comm"], output: name.descriptor.raw)
        #expect(shown.status == 0 && name.text == "caisson\n")
        let children = Child.run("/bin/cat", ["/proc/\(run.process.id)/task/\(run.process.id)/children"])
        #expect(children.output == "")
    }

    @Test(arguments: [
        ("text", "hello, world\n"), ("empty", ""), ("cut", "\u{7f}ELF"),
    ]) func aFailureIsOneLine(name: String, content: String) throws {
        let folder = Folder()
        let kernel = folder.file(name, content)
        let child = Child.run(
            try BuiltCommand.path(), ["run", "--kernel", kernel], environment: BuiltCommand.environment(folder))
        #expect(child.status == 1)
        #expect(child.output == "")
        #expect(child.errors.hasPrefix("caisson: ") && child.errors.contains(kernel), "\(child.errors)")
        #expect(child.errors.split(separator: "\n").count == 1, "\(child.errors)")
    }

    @Test(arguments: [["run", "--console", "fax"], ["walk"], ["run", "-m", "1M"]])
    func misuseIsAStatus(arguments: [String]) throws {
        let folder = Folder()
        let child = Child.run(try BuiltCommand.path(), arguments, environment: BuiltCommand.environment(folder))
        #expect(child.status == 2)
        #expect(child.output == "" && child.errors.hasPrefix("caisson: "))
    }

    /// What only `caisson-cli` writes, written wrong.
    @Test func aWrongDescriptionIsMisuse() throws {
        let folder = Folder()
        let child = Child.run(
            try BuiltCommand.path(), ["name=web", "kernel=none"], environment: BuiltCommand.environment(folder))
        #expect(child.status == 2)
        #expect(child.errors.hasPrefix("caisson: ") && child.errors.contains("kernel="), "\(child.errors)")
    }

    /// Forms that only the parser of `caisson-cli` knows start the same machine.
    @Test(.needsKVM) func everyFormOfAnOptionWorks() throws {
        let folder = Folder()
        let kernel = folder.file("kernel", TestKernel.multiboot(GuestCode.powerOff))
        for options in [["--memory=64M", "-c1"], ["-m64M"], ["--debug-exit", "--memory", "64M"]] {
            let child = Child.run(
                try BuiltCommand.path(), ["run", "--kernel=\(kernel)"] + options,
                environment: BuiltCommand.environment(folder))
            #expect(child.status == 0 && child.errors == "", "\(options): \(child.errors)")
        }
    }
}
