import CLinux
import Glibc
import TestSupport
import Testing

/// The built command with its guest's console elsewhere.
@Suite(.needsKVM, .timeLimit(.minutes(2)))
struct CommandConsoleTests {
    private func file(_ path: String) -> String { Child.run("/bin/cat", [path]).output }

    /// Waits for a path to be there, and longer for it to go.
    private func waits(for path: String, toExist: Bool = true) -> Bool {
        for _ in 0..<10_000 {
            var status = stat()
            if (lstat(path, &status) == 0) == toExist { return true }
            usleep(1000)
        }
        return false
    }

    @Test func aFile() throws {
        let run = try CommandRun(
            GuestCode.print("F", count: 1000) + GuestCode.powerOff, ["--console", "file:out"])
        #expect(run.status() == 0)
        #expect(run.errors == "")
        #expect(run.output?.receive(1) == [])
        #expect(file("\(run.folder.path)/out") == String(repeating: "F", count: 1000))
    }

    @Test func aFileIsEmptiedFirst() throws {
        let folder = Folder()
        let path = folder.file("out", "what was there before")
        let run = try CommandRun(GuestCode.print("F") + GuestCode.powerOff, ["--console", "file:\(path)"])
        #expect(run.status() == 0)
        #expect(file(path) == "F")
    }

    @Test(arguments: ["file:/no/such/folder/out", "pty:/no/such/folder/link", "unix:/no/such/folder/socket"])
    func aPlaceThatIsNone(console: String) throws {
        let run = try CommandRun(GuestCode.spin, ["--console", console])
        #expect(run.status() == 1)
        #expect(run.errors.hasPrefix("caisson: ") && run.errors.contains("/no/such/folder"), "\(run.errors)")
        #expect(run.errors.split(separator: "\n").count == 1)
    }

    @Test func nothing() throws {
        let run = try CommandRun(GuestCode.print("N") + GuestCode.powerOff, ["--console", "none"])
        #expect(run.status() == 0)
        #expect(run.output?.receive(1) == [])
    }

    @Test func aPseudoterminal() throws {
        let run = try CommandRun(GuestCode.echo, ["--console", "pty:link"])
        let link = "\(run.folder.path)/link"
        #expect(waits(for: link))
        // The line comes once the machine runs.
        var words: [Substring] = []
        for _ in 0..<10_000 where words.count < 7 {
            usleep(1000)
            words = run.errors.split(whereSeparator: \.isWhitespace)
        }
        #expect(words.dropLast().joined(separator: " ") == "caisson: the console of t is")
        #expect(words.last?.hasPrefix("/dev/pts/") == true)
        // Left and come back to.
        for path in [link, String(words.last ?? "")] {
            let client = Descriptor.opening(path, O_RDWR | O_NOCTTY)
            client.send("HAL")
            #expect(client.receiveText(3) == "IBM")
        }
        run.process.send(SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
        #expect(waits(for: link, toExist: false))
    }

    @Test func aSocket() throws {
        let run = try CommandRun(GuestCode.echo, ["--console", "unix:socket"])
        let path = "\(run.folder.path)/socket"
        #expect(waits(for: path))
        for _ in 0..<2 {
            let client = try greet(path)
            let second = try connect(to: path)
            #expect(second.receiveText(100) == "another client has this console\r\n")
            withExtendedLifetime(client) {}
        }
        // Who listens there keeps it.
        let other = try CommandRun(GuestCode.spin, ["--console", "unix:\(path)"])
        #expect(other.status() == 1)
        #expect(other.errors.contains(path) && other.errors.split(separator: "\n").count == 1, "\(other.errors)")

        run.process.send(SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
        #expect(waits(for: path, toExist: false))
    }

    /// A client that the guest answered. The one before may count as connected still for a moment.
    private func greet(_ path: String) throws -> Descriptor {
        for _ in 0..<100 {
            let client = try connect(to: path)
            client.send("HAL")
            if client.receiveText(3) == "IBM" { return client }
            usleep(10_000)
        }
        return try #require(nil as Descriptor?, "no client was let in")
    }

    /// A client of the socket, at which nobody may listen yet.
    private func connect(to path: String) throws -> Descriptor {
        let client = Descriptor(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        _ = fcntl(client.raw, F_SETFD, FD_CLOEXEC)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        var result: Int32 = -1
        for _ in 0..<1000 where result != 0 {
            result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(client.raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result != 0 { usleep(10_000) }
        }
        try #require(result == 0)
        return client
    }
}
