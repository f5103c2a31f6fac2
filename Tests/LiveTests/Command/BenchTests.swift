import Glibc
import HostIO
import TestSupport
import Testing

/// `caisson bench`, with machines.
@Suite(.serialized, .needsKVM, .needsAgent, .timeLimit(.minutes(15)))
struct BenchTests {
    /// Two rounds with a quick workload, and with what is measured from outside.
    @Test func `a process, a container and a machine are measured in turns`() throws {
        let folder = Folder()
        let workloads = StandInWorkloads(in: folder)
        let temporary = folder.folder("tmp")
        let (json, html) = ("\(folder.path)/a.json", "\(folder.path)/a.html")
        let hasBubblewrap = access("/usr/bin/bwrap", X_OK) == 0
        let environment = BuiltCommand.environment(folder).merging([
            "CAISSON_GUEST": try #require(DefaultGuest.folder), "TMPDIR": temporary,
        ]) { $1 }
        let mounts = try HostFile.text(of: "/proc/self/mounts")
        let words = [
            "bench", "start", "count", "--engines", "process,bubblewrap,caisson", "--rounds", "2", "--warmup", "0",
            "--quick",
            "--workloads", workloads.path, "--json", json, "--html", html,
        ]
        let child = Child.run(try BuiltCommand.path(), words, environment: environment)
        #expect(child.status == 0, "\(child.errors)")
        let document = try HostFile.text(of: json)
        let engines = ["process"] + (hasBubblewrap ? ["bubblewrap"] : []) + ["caisson"]
        // Two metrics, two samples each.
        for engine in engines {
            #expect(document.split(separator: "\"engine\": \"\(engine)\",").count == 3, "\(engine)")
        }
        #expect(document.split(separator: "\"metric\": \"counted\"").count == engines.count + 1)
        #expect(document.contains("\"failures\": []"))
        #expect(document.contains("\"leftOut\": []") == hasBubblewrap)
        for engine in ["process", "Caisson"] { #expect(child.output.contains("\n  \(engine) ")) }
        #expect(try HostFile.text(of: html).split(separator: "<svg ").count == 3)
        // Nothing is left: no file, no mount, no machine.
        #expect(Child.run("/bin/ls", ["-A", temporary]).output == "")
        #expect(try HostFile.text(of: "/proc/self/mounts") == mounts)
        let again = "\(folder.path)/b.json"
        let second = Child.run(
            try BuiltCommand.path(),
            [
                "bench", "count", "--engines", "process", "--rounds", "2", "--quick", "--workloads", workloads.path,
                "--json", again,
            ],
            environment: environment)
        #expect(second.status == 0, "\(second.errors)")
        let compared = Child.run(try BuiltCommand.path(), ["bench", "compare", json, again], environment: environment)
        #expect(compared.status == 0 && compared.output.contains("Only before:\n  start, time, process\n"))
    }
}
