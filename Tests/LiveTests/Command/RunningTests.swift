import Glibc
import TestSupport
import Testing

/// What other commands see of running machines, and do to them.
@Suite(.needsKVM, .timeLimit(.minutes(5)))
struct RunningTests {
    /// `caisson` with these words, in the space of a run.
    private func caisson(_ words: [String], beside run: CommandRun) throws -> Child {
        Child.run(try BuiltCommand.path(), words, environment: BuiltCommand.environment(run.folder))
    }

    @Test func machinesAreListedAndStopped() throws {
        let run = try CommandRun(GuestCode.print("A") + GuestCode.spin, ["--hardware", "cmdline"])
        #expect(run.output?.receive(until: "A") == "A")
        #expect(try caisson(["list", "-q"], beside: run).output == "t\n")
        let fields = try caisson(["list"], beside: run).output.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(fields.count == 2 && fields[1][..<5] == ["t", "\(run.process.id)", "running", "1", "32M"])

        // The name is taken, and the machine that has it is not disturbed.
        let second = Child.run(
            try BuiltCommand.path(), ["run", "--name", "t", "--kernel", "\(run.folder.path)/kernel"],
            environment: BuiltCommand.environment(run.folder))
        #expect(second.status == 1)
        #expect(second.errors == "caisson: a machine with the name t is running already: give this one another name\n")

        // It has no agent, which is told at once.
        let exec = try caisson(["exec", "t", "--", "true"], beside: run)
        #expect(exec.status == 125)
        #expect(
            exec.errors
                == "caisson: the guest of t has no agent that runs commands: it has a kernel or a ramdisk of its own\n")

        // Another space has other machines.
        var environment = BuiltCommand.environment(run.folder)
        environment["CAISSON_SPACE"] = "elsewhere"
        let elsewhere = Child.run(try BuiltCommand.path(), ["stop", "t"], environment: environment)
        #expect(elsewhere.status == 1)
        #expect(
            elsewhere.errors == "caisson: no machine with the name t is running; `caisson list` shows those that are\n")
        environment["CAISSON_SPACE"] = "a/b"
        #expect(Child.run(try BuiltCommand.path(), ["list"], environment: environment).status == 2)

        // It has no power button, so it is ended.
        #expect(try caisson(["stop", "t"], beside: run).status == 0)
        #expect(run.status() == 128 + SIGTERM)
        #expect(try caisson(["list", "-q"], beside: run).output == "")
    }

    @Test func nothingIsLeftOfAMachineThatIsKilled() throws {
        let run = try CommandRun(GuestCode.print("A") + GuestCode.spin)
        #expect(run.output?.receive(until: "A") == "A")
        kill(run.process.id, SIGKILL)
        #expect(run.process.ending() == .killed(signal: SIGKILL))
        #expect(try caisson(["list", "-q"], beside: run).output == "")
        #expect(try caisson(["stop", "t"], beside: run).status == 1)
        // The name is free again.
        let next = try CommandRun(in: run.folder, ["--kernel", "kernel", "-m", "32M", "--timeout", "100ms"])
        #expect(next.status() == 124)
    }

    @Test(.needsDefaultGuest) func aGuestIsAskedByItsPowerButton() throws {
        let run = try CommandRun(defaultGuest: ["--network", "none"])
        try run.expect("# ")
        #expect(try caisson(["stop", "--time", "2m", "t"], beside: run).status == 0)
        #expect(run.status() == 0)
    }
}
