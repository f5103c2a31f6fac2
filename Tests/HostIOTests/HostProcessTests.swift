import Glibc
import HostIO
import SystemPackage
import Testing

@Suite struct HostProcessTests {
    @Test func `the environment is read`() {
        #expect(HostProcess.environment("PATH") == getenv("PATH").map { String(cString: $0) })
        #expect(HostProcess.environment("CAISSON_NO_SUCH_VARIABLE") == nil)
    }

    @Test func `the executable is found`() throws {
        let path = try #require(HostProcess.executablePath)
        #expect(path.hasPrefix("/"))
        #expect(HostFile.exists(path))
    }

    @Test func `a program that cannot be started is an error`() {
        let directory = TemporaryDirectory()
        let text = directory.file("text", "no program")
        #expect(
            HostProcess.become("\(directory.path)/none", arguments: ["a"])
                == HostError("start", "\(directory.path)/none", .noSuchFileOrDirectory))
        #expect(HostProcess.become(text, arguments: []) == HostError("start", text, .permissionDenied))
    }
}

@Suite struct HostFileTests {
    @Test func `text is read up to a limit`() throws {
        let directory = TemporaryDirectory()
        let long = String(repeating: "0123456789", count: 1000)
        let file = directory.file("file", long)
        #expect(try HostFile.text(of: file) == long)
        #expect(try HostFile.text(of: file, limit: 4097) == String(long.prefix(4097)))
        #expect(try HostFile.text(of: directory.file("empty")).isEmpty)
        #expect(try HostFile.text(of: "/proc/self/status").contains("Name:"))
    }

    @Test func `what cannot be read is an error`() {
        #expect(throws: HostError("open", "/no/such", .noSuchFileOrDirectory)) { try HostFile.text(of: "/no/such") }
        #expect(throws: HostError("read", "/proc", .isDirectory)) { try HostFile.text(of: "/proc") }
    }

    @Test func `owners and permissions are told`() throws {
        let directory = TemporaryDirectory()
        let file = directory.file("file")
        chmod(file, 0o641)
        let ownership = try #require(HostFile.ownership(of: file))
        #expect(ownership.user == geteuid())
        #expect(ownership.permissions == 0o641)
        #expect(HostFile.exists(file))
        #expect(!HostFile.exists("\(file)/x"))
        #expect(HostFile.ownership(of: "\(file)x") == nil)
    }
}
