import Glibc
import HostIO
import TestSupport
import Testing

@testable import Benchmark
@testable import CaissonCLI
@testable import CaissonOptions

/// `caisson bench`, without machines.
@Suite(.timeLimit(.minutes(10)))
struct BenchCommandTests {
    private static let comparison = "compare takes two files that --json wrote, the older one first, and no options"

    static let misuses: [([String], String)] = [
        (["--rounds", "0"], "--rounds '0' is no number from 1 to 10000"),
        (["--rounds", "1.5"], "--rounds '1.5' is no number from 1 to 10000"),
        (["--rounds", "10001"], "--rounds '10001' is no number from 1 to 10000"),
        (["--warmup", "x"], "--warmup 'x' is no number from 0 to 10000"),
        (
            ["--engines", "docker"],
            "--engines 'docker' is unknown: use process, bubblewrap, crun, runc, podman, caisson, qemu"
        ),
        (["--engines", ""], "--engines '' is unknown: use process, bubblewrap, crun, runc, podman, caisson, qemu"),
        (["--cpus", "a"], "--cpus 'a' is no list of processors: use numbers from 0 to 1023, as in 0,2-3"),
        (["--memory", "lots"], "--memory 'lots' is no size: use a number and K, M, G or T, as in 512M or 1.5G"),
        (["--timeout", "0"], "--timeout '0' is no time from 1ms to 1d: use a number and ms, s, m or h, as in 5m"),
        (["--json", ""], "--json '' is no path of a file"),
        (["--html", "-"], "--html '-' is no path of a file"),
        (["--nosuch"], "unknown option '--nosuch'"),
        (["compare", "a"], comparison), (["compare", "a", "b", "c"], comparison),
        (["compare", "a", "b", "--quick"], comparison),
        (["compare", "a", "b", "--json", "c"], comparison),
    ]

    @Test(arguments: misuses) func `misuse gets one line and a hint`(arguments: [String], line: String) throws {
        let child = try Command().run(["bench"] + arguments)
        #expect(child.status == 2)
        #expect(child.output.isEmpty)
        #expect(child.errors == "caisson: \(line)\nTry 'caisson bench --help'.\n")
    }

    @Test func `a processor that there is not is named`() throws {
        let child = try Command().run("bench", "--cpus", "1023")
        #expect(child.status == 2)
        #expect(child.errors.hasPrefix("caisson: --cpus 1023: this process may not use a processor 1023, only "))
    }

    @Test func `a file that cannot be made is named before the work`() throws {
        let child = try Command().run("bench", "--html", "/nonexistent/a.html")
        #expect(child.status == 1)
        #expect(child.errors == "caisson: --html /nonexistent/a.html: there is no folder /nonexistent\n")
    }

    @Test func `without workloads it says where they come from`() throws {
        let command = try Command()
        let home = command.folder.path
        let child = command.run("bench")
        #expect(child.status == 1)
        #expect(
            child.errors.contains(
                "\(home)/.cache/caisson/workloads/default: build them by guest-images/workloads/build"))
        let named = command.run("bench", "--workloads", home)
        #expect(named.status == 1)
        #expect(named.errors == "caisson: \(home) has no workloads: there is neither root nor root.tar in it\n")
    }

    @Test(arguments: [["bench", "--help"], ["help", "bench"], ["bench", "compare", "--help"]])
    func `help is there`(arguments: [String]) throws {
        let child = try Command(machineProgram: nil).run(arguments)
        #expect(child.status == 0)
        #expect(child.output.contains("USAGE: caisson bench "))
        #expect(child.output.contains("EXAMPLE"))
        #expect(child.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    /// A run with the stand-in workloads in a folder for temporary files of its own.
    private func bench(
        _ command: Command, _ arguments: [String], isArchive: Bool = false
    ) -> (child: Child, litter: [String]) {
        var command = command
        let workloads = StandInWorkloads(in: command.folder, isArchive: isArchive)
        command.environment["TMPDIR"] = command.folder.folder("tmp")
        let child = command.run(["bench", "--workloads", workloads.path, "--engines", "process"] + arguments)
        let litter = Child.run("/bin/ls", ["-A", "\(command.folder.path)/tmp"]).output
        return (child, litter.split(separator: "\n").map(String.init))
    }

    @Test(arguments: [false, true]) func `a process is measured, and nothing is left`(isArchive: Bool) throws {
        let command = try Command(machineProgram: nil)
        let json = "\(command.folder.path)/a.json"
        let html = "\(command.folder.path)/a.html"
        let options = ["start", "idle-memory", "count", "--rounds", "2", "--json", json, "--html", html]
        let (child, litter) = bench(command, options, isArchive: isArchive)
        #expect(child.status == 0, "\(child.errors)")
        #expect(litter == [])
        #expect(
            child.errors
                == "caisson: warming up\ncaisson: round 1 of 2, about 0 s left\ncaisson: round 2 of 2, about 0 s left\n"
                || child.errors.hasPrefix("caisson: warming up\ncaisson: round 1 of 2, about "))
        for text in ["start: ", "time in ms, lower is better", "memory in MiB", "counted in 1/s, higher is better"] {
            #expect(child.output.contains(text), "\(text)")
        }
        let report = try BenchmarkReport(file: json)
        #expect(report.series.map(\.metric.name) == ["time", "memory", "counted", "whole"])
        #expect(report.series.allSatisfy { $0.samples.values.count == 2 })
        #expect(report.series[2].samples.values == [100, 100])
        #expect(report.series[0].samples.median > 0 && report.series[1].samples.median > 0)
        #expect(report.engines.map(\.id) == ["process"])
        #expect(try HostFile.text(of: html).hasPrefix("<!DOCTYPE html>"))
        let compared = command.run("bench", "compare", json, json)
        #expect(compared.status == 0)
        #expect(compared.output.contains("too few rounds to tell"))
        #expect(!compared.output.contains("Not the same"))
    }

    @Test func `what fails is named and left out`() throws {
        let options = [
            "compute", "application", "--quick", "--rounds", "1", "--warmup", "0", "--timeout", "2s", "--json", "-",
        ]
        let (child, litter) = bench(try Command(machineProgram: nil), options)
        #expect(child.status == 0, "\(child.errors)")
        #expect(litter == [])
        let report = try BenchmarkReport(json: JSONValue(reading: child.output))
        #expect(report.series.map(\.workload) == ["count"])
        #expect(report.series.map(\.metric.name) == ["counted"])
        #expect(report.setup.isQuick)
        let problems = Dictionary(uniqueKeysWithValues: report.failures.map { ($0.workload, $0.problem) })
        #expect(
            problems == [
                "broken": "workload broken: it is broken", "endless": "it did not end within 2 s",
                "talker": "'hello' is no metric, value, unit and direction with tabs between",
                "compile":
                    "there is no root file system with applications: `guest-images/workloads/build --apps` makes one",
            ])
        #expect(child.errors.contains("caisson: endless in process is left out: it did not end within 2 s\n"))
    }

    @Test func `unknown workloads are refused`() throws {
        let (child, litter) = bench(try Command(machineProgram: nil), ["nosuch"])
        #expect(child.status == 2)
        #expect(child.errors.hasPrefix("caisson: there is no workload 'nosuch'; `caisson bench --list` shows them\n"))
        #expect(litter == [])
    }

    @Test func `the list has workloads and engines`() throws {
        let (child, litter) = bench(try Command(machineProgram: nil), ["--list"])
        #expect(child.status == 0, "\(child.errors)")
        for text in ["start ", "idle-memory ", "counts to a hundred", "process  installed"] {
            #expect(child.output.contains(text))
        }
        #expect(litter == [])
    }

    @Test(arguments: [SIGINT, SIGTERM]) func `a signal ends it, and all that it started`(signal: Int32) throws {
        var command = try Command(machineProgram: nil)
        let workloads = StandInWorkloads(in: command.folder)
        let temporary = command.folder.folder("tmp")
        command.environment["TMPDIR"] = temporary
        let errors = ScratchFile()
        let words = ["bench", "--workloads", workloads.path, "--engines", "process", "endless"]
        let process = withExtendedLifetime(errors) {
            ChildProcess(
                command.program, words, environment: command.environment, streams: (nil, nil, errors.descriptor.raw))
        }
        // Its workload, a shell and what that started.
        let deadline = ContinuousClock.now + .seconds(60)
        var started: [Int32] = []
        while ContinuousClock.now < deadline {
            started = HostProcess.descendants(of: process.id)
            let names = started.map { (try? HostFile.text(of: "/proc/\($0)/cmdline")) ?? "" }
            if names.contains(where: { $0.contains("endless") }), errors.text.contains("warming up") { break }
            usleep(20_000)
        }
        try #require(!started.isEmpty)
        process.send(signal)
        #expect(process.ending() == .exited(128 + signal))
        for id in started { #expect(kill(id, 0) != 0 && errno == ESRCH) }
        #expect(Child.run("/bin/ls", ["-A", temporary]).output == "")
        #expect(errors.text == "caisson: warming up\n")
    }

    @Test func `files that are no results are refused`() throws {
        let command = try Command(machineProgram: nil)
        let good = command.folder.file("good", "{\"kind\": \"caisson bench\", \"schema\": 1}")
        let cases: [(String, String)] = [
            ("", "no JSON: line 1: the text ends where a value should be"),
            ("{\n\"a\": 1,\n}", "no JSON: line 3: a key in quotes is missing"),
            ("[]", "not a result of caisson bench: it should be an object"),
            ("{}", "not a result of caisson bench: kind should be a string"),
            (
                "{\"kind\": \"caisson bench\", \"schema\": 2}",
                "not a result of caisson bench: schema should be a whole number from 1 to 1"
            ),
        ]
        for (text, problem) in cases {
            let file = command.folder.file("bad", text)
            let child = command.run("bench", "compare", file, good)
            #expect(child.status == 1)
            #expect(child.errors == "caisson: \(file): \(problem)\n")
        }
        let missing = command.run("bench", "compare", "/nonexistent", good)
        #expect(missing.errors == "caisson: cannot open /nonexistent: No such file or directory\n")
    }
}
