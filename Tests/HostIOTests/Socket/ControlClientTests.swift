import Glibc
import TestSupport
import Testing

@testable import HostIO

@Suite struct ControlClientTests {
    private func find(_ id: Int32) throws { _ = try HostedProcess(id: id) }

    private func isServed(_ address: String) throws -> Bool {
        switch try ControlClient(address) {
        case .some: true
        case nil: false
        }
    }

    @Test func asksAndIsAnswered() throws {
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let address = "caisson-test/\(getpid())/ask"
        #expect(try !isServed(address))
        let server = try LineServer(abstract: address, loop: loop) { $0.sendLine("\($1)") }
        defer { server.close() }
        guard let client = try ControlClient(address) else {
            Issue.record("nobody listens")
            return
        }
        #expect(client.ask("STATUS") == "word(\"STATUS\")")
        let id = try client.process().id
        #expect(id == getpid())
        // It has had its answer, and the other side is gone.
        #expect(client.ask("STATUS") == nil)
    }

    @Test func doesNotWaitForEver() throws {
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let address = "caisson-test/\(getpid())/silent"
        let server = try LineServer(abstract: address, loop: loop) { _, _ in }
        defer { server.close() }
        let answer = try ControlClient(address)?.ask("STATUS", within: 50)
        #expect(answer == nil)
        #expect(try isServed(address))
    }

    @Test func processesAreSignalledAndWaitedFor() throws {
        let child = ChildProcess("/bin/sleep", ["100"], streams: (nil, nil, nil))
        let process = try HostedProcess(id: child.id)
        let early = process.hasEnded(within: 20)
        try process.signal(SIGTERM)
        let late = process.hasEnded(within: 10_000)
        #expect(!early && late)
        #expect(child.ending() == .killed(signal: SIGTERM))
        // Nobody else is hit by then.
        try process.signal(SIGKILL)
        #expect(throws: HostError("find", "process \(child.id)", .noSuchProcess)) { try find(child.id) }
    }

    @Test func findsNamesThatSomebodyListensAt() throws {
        let table = """
            Num       RefCount Protocol Flags    Type St Inode Path
            0000000000000000: 00000002 00000000 00010000 0001 01 31 @caisson/0/web
            0000000000000000: 00000003 00000000 00000000 0001 03 32 @caisson/0/connected
            0000000000000000: 00000002 00000000 00010000 0001 01 33 /run/@caisson/0/file
            0000000000000000: 00000002 00000000 00010000 0001 01 34 @caisson/0/a name
            0000000000000000: 00000002 00000000 00010000 0001 01 35 @caisson/01/other
            0000000000000000: 00000002 00000000 00010000 0001 01 36
            0000000000000000: 00000002 00000000 x 0001 01 37 @caisson/0/wrong
            """
        #expect(try AbstractNames.listening(prefix: "caisson/0/", in: table) == ["a name", "web"])
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let prefix = "caisson-test/\(getpid())/found/"
        var server: LineServer? = try LineServer(abstract: prefix + "x", loop: loop) { _, _ in }
        withExtendedLifetime(server) {}
        #expect(try AbstractNames.listening(prefix: prefix) == ["x"])
        server = nil
        #expect(eventually { (try? AbstractNames.listening(prefix: prefix)) == [] })
    }
}
