import Glibc
import TestSupport
import Testing

/// What the processors of a machine with a quota use, as the host's kernel tells.
@Suite(.needsKVM, .timeLimit(.minutes(2)))
struct CPUQuotaTests {
    /// Of a process's threads, in seconds.
    private struct Use {
        var time = ContinuousClock.now
        var cpu = 0.0
        /// Ready to run, while others had the host's processors.
        var waited = 0.0
    }

    private static func use(of process: pid_t) throws -> Use {
        var use = Use()
        // CPU time and time in run queues in nanoseconds, and time slices; a line for each thread.
        let threads = Child.run("/bin/sh", ["-c", "cat /proc/\(process)/task/*/schedstat"])
        for line in threads.output.split(separator: "\n") {
            let fields = line.split(separator: " ").compactMap { Double($0) }
            try #require(fields.count == 3)
            use.cpu += fields[0] / 1e9
            use.waited += fields[1] / 1e9
        }
        return use
    }

    @Test(arguments: [20, 60]) func aGuestThatSpinsUsesItsQuota(percent: Int) async throws {
        let run = try CommandRun(
            GuestCode.print("A") + GuestCode.spin, ["--cpu-quota", "\(percent)%", "--timeout", "60s"])
        try #require(run.output?.receive(1) == [UInt8(ascii: "A")])
        // Past what it may use at once.
        try await Task.sleep(for: .seconds(1))
        let before = try Self.use(of: run.process.id)
        try await Task.sleep(for: .seconds(5))
        let after = try Self.use(of: run.process.id)
        let (seconds, attoseconds) = (after.time - before.time).components
        let share = (Double(seconds) + Double(attoseconds) / 1e18) * Double(percent) / 100
        let used = after.cpu - before.cpu
        #expect(used < 1.15 * share)
        // What a busy host did not let it use is no fault of the quota's.
        #expect(used + after.waited - before.waited > 0.85 * share)
        kill(run.process.id, SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
    }

    @Test func aHeldMachinePausesAndStops() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.print("A") + GuestCode.spin)) {
            $0.cpuQuota = 1
        }
        try await guest.machine.start()
        try await guest.expect("A")
        for _ in 0..<3 {
            try await Task.sleep(for: .milliseconds(100))
            try await guest.machine.pause()
            try await guest.machine.resume()
        }
        try await guest.machine.stop()
        #expect(try await guest.machine.waitUntilStopped() == .stopped)
    }

    @Test func aHeldMachineCanBeStopped() async throws {
        let run = try CommandRun(GuestCode.print("A") + GuestCode.spin, ["--cpu-quota", "1%", "--timeout", "60s"])
        try #require(run.output?.receive(1) == [UInt8(ascii: "A")])
        // By now it owes a second.
        try await Task.sleep(for: .milliseconds(300))
        kill(run.process.id, SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
    }
}
