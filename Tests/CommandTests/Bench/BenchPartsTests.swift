import TestSupport
import Testing

@testable import Benchmark
@testable import CaissonCLI
@testable import CaissonOptions

@Suite struct BenchPartsTests {
    @Test(arguments: [
        (0, "1970-01-01 00:00:00 UTC"), (951_782_399, "2000-02-28 23:59:59 UTC"),
        (951_782_400, "2000-02-29 00:00:00 UTC"),
        (951_868_800, "2000-03-01 00:00:00 UTC"), (1_795_826_523, "2026-11-28 00:42:03 UTC"),
        (4_102_444_800, "2100-01-01 00:00:00 UTC"),
        (4_107_542_400, "2100-03-01 00:00:00 UTC"),
    ])
    func theTimeOfDayIsUTC(_ seconds: Int, _ text: String) {
        #expect(UTCTime.text(seconds) == text)
    }

    @Test func linksStayInTheirRoot() {
        let folder = Folder()
        let root = folder.folder("root")
        folder.folder("root/bin")
        folder.file("root/bin/busybox")
        for (name, target) in [
            ("relative", "busybox"), ("absolute", "/bin/busybox"), ("twice", "absolute"), ("loop", "loop"),
        ] {
            _ = Child.run("/bin/ln", ["-s", target, "\(root)/bin/\(name)"])
        }
        for name in ["busybox", "relative", "absolute", "twice"] {
            #expect(PlainProcess.resolve("/bin/\(name)", in: root) == "\(root)/bin/busybox")
        }
        #expect(PlainProcess.resolve("/bin/loop", in: root) == "\(root)/bin/loop")
    }

    @Test(arguments: [
        ("", nil), ("one\ntwo", "two"),
        (
            "sh: missing: not found\nKernel panic - not syncing: Attempted to kill init!\nKernel Offset: disabled",
            "sh: missing: not found"
        ),
        (
            "[    1.5] Kernel panic - not syncing: VFS: no root\n[    1.5] CPU: 0",
            "[    1.5] Kernel panic - not syncing: VFS: no root"
        ),
    ])
    func aGuestEndedForWhatCameBeforeItsCrash(console: String, reason: String?) {
        let lines = console.split(whereSeparator: \.isNewline)
        #expect(BenchRunner.reason(onConsole: lines).map(String.init) == reason)
    }

    @Test func theWordsForQEMUsKernelStayWords() {
        let line = QEMUMachine.commandLine(["/bin/sh", "-c", "echo ready; sleep 600"], clock: "tsc_early_khz=1 ")
        #expect(line.contains(" tsc_early_khz=1 reboot=t "))
        #expect(line.hasSuffix(" sh /bin/sh -c \"echo ready; sleep 600\""))
        // Linux has room for 2048 bytes, and ends a quoted word at a quote before a blank.
        #expect(line.utf8.count < 1500)
        // The script's own quotes hold no blank, so a word ends at none of them.
        let script = line.split(separator: " -c \"", maxSplits: 1)[1].split(separator: "\" sh ", maxSplits: 1)[0]
        let parts = script.split(separator: "\"", omittingEmptySubsequences: false)
        #expect(parts.count == 3)
        #expect(parts.count == 3 && parts[1] == "$@")
        #expect(!line.contains("\n"))
    }

    @Test func theFrequencyOfTheClockIsFound() {
        #expect(QEMUMachine.clockWord(cpuinfo: "model\t\t: 1\nbogomips\t: 3992.49\nx: 1\n") == "tsc_early_khz=1996245 ")
        #expect(QEMUMachine.clockWord(cpuinfo: "bogomips : many") == "")
        #expect(QEMUMachine.clockWord(cpuinfo: "") == "")
    }

    @Test func progressEstimatesOnceItCan() {
        var lines: [String] = []
        let progress = BenchProgress(isTerminal: false) { lines.append($0) }
        #expect(progress.estimate == nil)
        progress.plan(["a", "b"], warmups: 0, rounds: 2)
        progress.begin(round: 0)
        progress.step("a")
        #expect(progress.estimate == nil)
        progress.step("b")
        progress.begin(round: 1)
        #expect(progress.estimate == "about 0 s left")
        progress.end()
        #expect(lines == ["caisson: round 1 of 2\n", "caisson: round 2 of 2, about 0 s left\n"])
        #expect(BenchProgress.text(.seconds(99)) == "99 s")
        #expect(BenchProgress.text(.seconds(100)) == "2 min")
    }
}
