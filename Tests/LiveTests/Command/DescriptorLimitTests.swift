import TestSupport
import Testing

/// The built command where it may have few descriptors.
@Suite(.needsKVM, .timeLimit(.minutes(3)))
struct DescriptorLimitTests {
    /// It runs, and ends in time; or it says what it lacks. The terminal is as before in both cases, also where the lack is found after the
    /// guest has begun.
    @Test func everyLimitIsEnoughOrTold() throws {
        var enough: Int?
        // Swift needs one beside the streams to find the arguments.
        for limit in 4...60 where enough == nil {
            let terminal = TestTerminal()
            let before = TestTerminal.modes(of: terminal.slave.raw)
            let run = try CommandRun(
                GuestCode.print("A") + GuestCode.spin, ["--network", "none", "--timeout", "200ms"], on: terminal,
                behind: ["/usr/bin/prlimit", "--nofile=\(limit):\(limit)"])
            let status = run.status()
            let errors = run.errors.split(separator: "\n")
            #expect(errors.count == 1 && run.errors.hasPrefix("caisson: "), "\(limit): \(run.errors)")
            #expect(TestTerminal.modes(of: terminal.slave.raw) == before, "\(limit)")
            if status == 124 {
                enough = limit
            } else {
                #expect(status == 1 && run.errors.contains("Too many open files"), "\(limit): \(run.errors)")
            }
        }
        #expect(enough != nil)
    }
}
