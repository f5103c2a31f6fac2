import Caisson
import Glibc
import TestSupport
import Testing

/// Throwaway machines beside each other, each with a network and disks of its own.
@Suite(.serialized, .needsKVM, .needsAgent, .needsRootTools, .timeLimit(.minutes(20)))
struct ManyMachinesTests {
    private static let count = 16

    @Test func `machines run beside each other, whatever becomes of one`() throws {
        let image = try RootImage("erofs")
        let guest = try #require(DefaultGuest.folder)
        let space = "many-\(getpid())"
        let folder = Folder()
        let script = """
            ip -o -4 addr show eth0 | head -1 | wc -l; echo $HOSTNAME >/dev/vdb && head -c 3 /dev/vdb; echo ready
            read line; exit $line
            """
        let runs = try (0..<Self.count).map { number in
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
        #expect(try caisson("list").output.split(separator: "\n").count == Self.count + 1)
        // One is killed, one is stopped by its name, and the others go on.
        runs[1].process.send(SIGKILL)
        #expect(runs[1].process.ending()?.status == 128 + SIGKILL)
        #expect(try caisson("stop", "m2").status == 0)
        let list = try caisson("list").output
        #expect(list.split(separator: "\n").count == Self.count - 1 && !list.contains("m1 ") && !list.contains("m2 "))
        let other = try caisson("exec", "m3", "--", "cat", "/etc/hostname", "/etc/note")
        #expect(other.output == "m3\noriginal\n" && other.status == 0, "\(other.errors)")
        for (number, run) in runs.enumerated() where number != 1 && number != 2 {
            run.input?.send("\(number)\n")
            run.input = nil
        }
        for (number, run) in runs.enumerated() where number != 1 && number != 2 {
            #expect(run.finish().status == Int32(number))
            #expect(run.errors.isEmpty)
            #expect(run.folder.files.isEmpty)
        }
        #expect(try caisson("list").output.split(separator: "\n").count <= 1)
        withExtendedLifetime(image) {}
    }
}
