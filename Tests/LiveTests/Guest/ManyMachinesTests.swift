import Glibc
import TestSupport
import Testing

/// Sixteen throwaway machines at once, each with a network and disks of its own.
@Suite(.serialized, .needsKVM, .needsAgent, .needsRootTools, .timeLimit(.minutes(20)))
struct ManyMachinesTests {
    @Test func `sixteen machines run beside each other, whatever becomes of one`() throws {
        let image = try RootImage("erofs")
        let guest = try #require(DefaultGuest.folder)
        let space = "many-\(getpid())"
        let folder = Folder()
        let script = """
            ip -o -4 addr show eth0 | head -1 | wc -l; echo $HOSTNAME >/dev/vdb && head -c 3 /dev/vdb; echo ready
            read line; exit $line
            """
        let runs = try (0..<16).map { number in
            try CommandRun(
                in: Folder(),
                [
                    "--name", "m\(number)", "-m", "96M", "--root", image.path, "--disk", "size=1M", "-i", "--", "sh",
                    "-c", script,
                ],
                environment: ["CAISSON_GUEST": guest, "CAISSON_SPACE": space])
        }
        func caisson(_ words: String...) throws -> Child {
            var environment = BuiltCommand.environment(folder)
            environment["CAISSON_SPACE"] = space
            return Child.run(try BuiltCommand.path(), words, environment: environment)
        }
        for (number, run) in runs.enumerated() {
            let name = "m\(number)\n".prefix(3)
            #expect(try run.expect("ready\n", within: .seconds(900)) == "1\n\(name)")
        }
        #expect(try caisson("list").output.split(separator: "\n").count == 17)
        // One is killed, one is stopped by its name, and the others go on.
        runs[5].process.send(SIGKILL)
        #expect(runs[5].process.ending()?.status == 128 + SIGKILL)
        #expect(try caisson("stop", "m6").status == 0)
        let list = try caisson("list").output
        #expect(list.split(separator: "\n").count == 15 && !list.contains("m5 ") && !list.contains("m6 "))
        let other = try caisson("exec", "m7", "--", "cat", "/etc/hostname", "/etc/note")
        #expect(other.output == "m7\noriginal\n" && other.status == 0, "\(other.errors)")
        for (number, run) in runs.enumerated() where number != 5 && number != 6 {
            run.input?.send("\(number)\n")
            run.input = nil
        }
        for (number, run) in runs.enumerated() where number != 5 && number != 6 {
            #expect(run.finish().status == Int32(number))
            #expect(run.errors.isEmpty)
            #expect(run.folder.files.isEmpty)
        }
        #expect(try caisson("list").output.split(separator: "\n").count <= 1)
        withExtendedLifetime(image) {}
    }
}
