import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import HostIO

@Suite struct ChildProgramTests {
    private func start(_ script: String, environment: [String] = ["PATH=/bin:/usr/bin"]) throws -> (
        ChildProgram, CapturedOutput, CapturedOutput
    ) {
        let (output, messages) = (try CapturedOutput(), try CapturedOutput())
        let program = try ChildProgram(
            "sh", ["name", "-c", script], environment: environment, output: output, messages: messages)
        return (program, output, messages)
    }

    @Test func whatAProgramWritesIsKeptApart() throws {
        let (program, output, messages) = try start(
            "echo \"$WORD $0\"; echo oops >&2; read x; exit 7", environment: ["WORD=said"])
        #expect(program.status() == 7)
        #expect(program.status() == 7)
        #expect(program.hasEnded(within: .zero))
        #expect(output.text() == "said name\n" && output.size == 10)
        #expect(output.text(limit: 4) == "said")
        #expect(messages.text() == "oops\n")
    }

    @Test func anEndCanBeWaitedFor() throws {
        let (program, output, _) = try start("echo $$; sleep 1000 & wait")
        let begin = ContinuousClock.now
        #expect(!program.hasEnded(within: .milliseconds(50)))
        #expect(ContinuousClock.now - begin >= .milliseconds(50))
        // The leader of a group of its own, which a signal reaches as a whole.
        #expect(getpgid(program.id) == program.id)
        while output.size == 0 { usleep(1000) }
        let children = HostProcess.descendants(of: program.id)
        program.signal(SIGTERM)
        #expect(program.hasEnded(within: .seconds(30)))
        #expect(program.status() == 128 + SIGTERM)
        for child in children {
            for _ in 0..<5000 where kill(child, 0) == 0 && !isZombie(child) { usleep(1000) }
            #expect(kill(child, 0) != 0 || isZombie(child))
        }
    }

    private func isZombie(_ process: Int32) -> Bool {
        ((try? HostFile.text(of: "/proc/\(process)/stat")) ?? "").split(separator: ")").last?.hasPrefix(" Z") ?? true
    }

    @Test func whatNobodyHoldsEnds() throws {
        var process: Int32 = 0
        do {
            let (program, _, _) = try start("sleep 1000")
            process = program.id
            #expect(kill(process, 0) == 0)
            #expect((HostProcess.proportionalSetSize(of: process) ?? 0) > 0)
        }
        #expect(kill(process, 0) != 0)
    }

    @Test func aProgramThatIsMissingIsNamed() throws {
        let output = try CapturedOutput()
        #expect(throws: HostError("start", "no-such-program", .noSuchFileOrDirectory)) {
            try ChildProgram("no-such-program", ["x"], environment: [], output: output, messages: output)
        }
        #expect(HostFile.program("no-such-program") == nil)
        #expect(HostFile.program("sh")?.hasSuffix("/sh") == true)
        #expect(HostFile.program("/etc/passwd") == nil)
        #expect(HostFile.program("/usr") == nil)
    }

    @Test func temporaryFoldersAreNew() throws {
        let parent = Folder()
        let (one, two) = (
            try TemporaryFolder(in: parent.path, name: "n"), try TemporaryFolder(in: parent.path, name: "n")
        )
        #expect(one.path != two.path && one.path.hasPrefix("\(parent.path)/n."))
        let folder = try one.folder("a")
        #expect(try one.folder("a") == folder && HostFile.exists(folder))
        #expect(throws: HostError("make the directory", "\(one.path)/b/c", .noSuchFileOrDirectory)) {
            try one.folder("b/c")
        }
        try HostFile.write("text", to: "\(folder)/file")
        try HostFile.write("new", to: "\(folder)/file")
        #expect(try HostFile.text(of: "\(folder)/file") == "new")
        #expect(throws: HostError("write", "\(parent.path)/x/y", .noSuchFileOrDirectory)) {
            try HostFile.write("text", to: "\(parent.path)/x/y")
        }
        #expect(throws: HostError("make a folder in", "/nonexistent", .noSuchFileOrDirectory)) {
            try TemporaryFolder(in: "/nonexistent", name: "n")
        }
    }

    @Test func processorsAreThoseAllowed() {
        let processors = HostProcess.processors
        #expect(!processors.isEmpty && processors == processors.sorted())
        #expect(HostProcess.environment.contains { $0.hasPrefix("PATH=") })
    }
}
