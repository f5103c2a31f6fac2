import Glibc
import TestSupport
import Testing

/// The built command where its user may have few threads. Root may have as many as there are, so it is another user, in a mount
/// namespace where that one may use /dev/kvm.
@Suite(.needsKVM, .needsNamespaces, .timeLimit(.minutes(3)))
struct ThreadLimitTests {
    /// - Parameters:
    ///   - limit: of the user's threads, the first one among them.
    ///   - user: nobody else's, so that nobody else's processes count.
    private func run(
        _ options: [String], limit: Int, user: Int, code: [UInt8] = GuestCode.print("A") + GuestCode.spin,
        on terminal: TestTerminal? = nil
    ) throws -> CommandRun {
        let folder = Folder()
        folder.file("kernel", TestKernel.multiboot(code), mode: 0o644)
        let prepare = """
            set -e; chmod 755 .; cp "$1" "$1-cli" .; shift
            cp -a /dev/kvm node; chmod 666 node; mount --bind node /dev/kvm; mount --bind . /mnt; cd /mnt
            exec setpriv --reuid=\(user) --regid=\(user) --clear-groups prlimit --nproc=\(limit):\(limit) ./caisson "$@"
            """
        let words = ["--kernel", "kernel", "-m", "32M", "--network", "none"] + options
        return try CommandRun(
            in: folder, words, on: terminal, behind: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", prepare, "sh"])
    }

    /// It runs, and ends in time; or it says what it lacks, at once.
    @Test(arguments: [1, 2]) func everyLimitIsEnoughOrTold(processors: Int) throws {
        var missing: [String] = []
        var enough: Int?
        for limit in 1...12 where enough == nil {
            let run = try run(["-c", "\(processors)"], limit: limit, user: 61_230 + processors)
            if run.output?.receive(1) == [0x41] {
                enough = limit
                #expect(run.process.ending(within: .milliseconds(300)) == nil)
                run.process.send(SIGTERM)
                #expect(run.status() == 128 + SIGTERM)
                #expect(run.errors == "")
            } else {
                #expect(run.status() == 1)
                #expect(
                    run.errors.hasPrefix("caisson: ") && run.errors.split(separator: "\n").count == 1, "\(run.errors)")
                #expect(
                    run.errors.contains("a limit is reached (ulimit -u, or a control group's pids.max)"),
                    "\(run.errors)")
                missing.append(run.errors)
            }
        }
        // The first thread, one a processor, and the event loop; the kernel may have one of its own.
        let least = try #require(enough)
        #expect(least >= processors + 2 && least <= processors + 3, "\(missing)")
        for name in (0..<processors).map({ "caisson-vcpu\($0)," }) + ["caisson-io,"] {
            #expect(missing.contains { $0.contains("cannot start thread \(name)") }, "\(name): \(missing)")
        }
    }

    /// With the least that it starts with, nothing later needs another one.
    @Test func theLeastIsEnoughForItsWholeLife() throws {
        let timedOut = try run(["--timeout", "300ms"], limit: 4, user: 61_240)
        #expect(timedOut.status() == 124)
        #expect(timedOut.errors == "caisson: t is stopped: its time of 0.3 seconds is over\n")

        // A reset has threads of the old machine's in place of new ones.
        let reset = GuestCode.print("A") + GuestCode.write(0xfe, to: 0x64) + GuestCode.spin
        let again = try run(["-c", "2"], limit: 5, user: 61_240, code: reset)
        #expect(again.output?.receiveText(50) == String(repeating: "A", count: 50))
        again.process.send(SIGTERM)
        #expect(again.status() == 128 + SIGTERM)

        let terminal = TestTerminal()
        let typed = try run([], limit: 4, user: 61_240, on: terminal)
        #expect(terminal.master.receive(until: "A") == "A")
        for (key, answer) in [("c", "paused; Ctrl-A c goes on"), ("c", "resumed")] {
            terminal.master.send("\u{1}\(key)")
            #expect(terminal.master.receive(until: "]\r\n") == "\r\n[t: \(answer)]\r\n")
        }
        terminal.master.send("\u{1}x")
        #expect(typed.status() == 0)
    }
}
