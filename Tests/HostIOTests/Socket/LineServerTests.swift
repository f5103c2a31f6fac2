import CLinux
import Glibc
import HostResources
import Synchronization
import TestSupport
import Testing

@testable import HostIO

/// A server that answers each client with the port it wants, and a way to it.
private final class ServerBench {
    let directory = TemporaryDirectory()
    let loop: EventLoop
    let server: LineServer

    var path: String { directory.path + "/s" }

    init() throws {
        loop = try EventLoop(name: "test")
        let loop = loop
        server = try LineServer(path: directory.path + "/s", loop: loop) { $0.sendLine("\($1)") }
    }

    deinit {
        server.close()
        loop.stop()
    }

    /// A client, once there is room for one more that waits to be accepted.
    func client() -> Descriptor {
        var raw = -EAGAIN
        _ = eventually {
            raw = caisson_unix_connect(path)
            return raw != -EAGAIN
        }
        return Descriptor(raw)
    }
}

@Suite struct LineServerTests {
    static let lines: [(String, String)] = [
        ("CONNECT 52\n", "connect(port: 52)\n"), ("CONNECT 0\r\n", "connect(port: 0)\n"),
        ("CONNECT 4294967294\n", "connect(port: 4294967294)\n"),
        ("STATUS\n", "word(\"STATUS\")\n"), ("CONNECT\n", "word(\"CONNECT\")\n"),
    ]

    @Test(arguments: lines.indices) func readsALine(index: Int) throws {
        let bench = try ServerBench()
        let client = bench.client()
        client.send(Self.lines[index].0)
        #expect(client.receiveText(100) == Self.lines[index].1)
    }

    static let wrong = [
        "\n", "STATUS \n", "status\n", "CONNECT \n", "CONNECT x\n", "connect 52\n", "CONNECT 4294967295\n",
        "CONNECT -1\n",
        "CONNECT 52 \n", "CONNECT 99999999999999999999\n", "GET / HTTP/1.1\r\n", String(repeating: "C", count: 5000),
        "\0\0\0\n", "CONNECT 000000000000000000000000000000052\n",
    ]

    @Test(arguments: wrong) func knowsWhatIsNoRequest(line: String) throws {
        let bench = try ServerBench()
        signal(SIGPIPE, SIG_IGN)
        let client = bench.client()
        client.send(line)
        #expect(client.receive(until: "\n") == "unknown\n")
    }

    @Test func readsNoFurtherThanTheLine() throws {
        let directory = TemporaryDirectory()
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let sockets = Mutex<[HostSocket]>([])
        let server = try LineServer(path: directory.path + "/s", loop: loop) { client, _ in
            let socket = HostSocket(client, keepingAtMost: 4096, loop: loop)
            sockets.withLock { $0.append(socket) }
        }
        defer { server.close() }
        let client = Descriptor(caisson_unix_connect(directory.path + "/s"))
        for byte in Array("CONNECT 5\nmore".utf8) { client.send([byte]) }
        #expect(eventually { sockets.withLock { $0.count } == 1 })
        let socket = sockets.withLock { $0[0] }
        var read: [UInt8] = []
        #expect(
            eventually {
                read += socket.readSome(100)
                return read == Array("more".utf8)
            })
    }

    @Test func clientsThatSayNothingAreBounded() throws {
        let bench = try ServerBench()
        let silent = (0..<LineServer.clientLimit + 8).map { _ in
            let client = bench.client()
            client.send("CONN")
            return client
        }
        // The oldest have gone; the newest can go on.
        #expect(silent[0].isReady(POLLIN, 10_000) && silent[0].receive(1).isEmpty)
        silent[silent.count - 1].send("ECT 3\n")
        #expect(silent[silent.count - 1].receiveText(100) == "connect(port: 3)\n")
    }

    @Test func clientsThatLeaveAreForgotten() throws {
        let bench = try ServerBench()
        let before = resources()[0]
        for _ in 0..<200 { bench.client().send("CONN") }
        let last = bench.client()
        last.send("CONNECT 1\n")
        #expect(last.receiveText(100) == "connect(port: 1)\n")
        #expect(eventually { resources()[0] < before + 40 })
    }

    @Test func replacesAStaleSocketAlone() throws {
        let directory = TemporaryDirectory()
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let path = directory.path + "/s"
        close(caisson_unix_listen(path))
        let server = try LineServer(path: path, loop: loop) { _, _ in }
        #expect(throws: HostError("listen on", path, .addressInUse)) {
            try LineServer(path: path, loop: loop) { _, _ in }
        }
        server.close()
        #expect(names(in: directory.path).filter { $0 == "s" }.isEmpty)
        let file = directory.file("f", "text")
        #expect(throws: HostError("listen on", file, .addressInUse)) {
            try LineServer(path: file, loop: loop) { _, _ in }
        }
    }

    @Test func anAbstractNameIsItsServersAlone() throws {
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let name = "caisson-test/\(getpid())/line"
        var server: LineServer? = try LineServer(abstract: name, loop: loop) { $0.sendLine("\($1)") }
        withExtendedLifetime(server) {}
        let client = Descriptor(caisson_unix_connect_abstract(name))
        client.send("STATUS\n")
        #expect(client.receiveText(100) == "word(\"STATUS\")\n")
        var user: UInt32 = .max
        #expect(caisson_unix_peer(client.raw, &user) == getpid() && user == geteuid())
        #expect(throws: HostError("listen on", "@\(name)", .addressInUse)) {
            try LineServer(abstract: name, loop: loop) { _, _ in }
        }
        server = nil
        #expect(eventually { caisson_unix_connect_abstract(name) == -ECONNREFUSED })
    }

    /// Whoever may run processes as another user.
    @Test(.enabled(if: getuid() == 0, "only root can become somebody else")) func othersUsersAreTurnedAway() throws {
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let name = "caisson-test/\(getpid())/other"
        let server = try LineServer(abstract: name, loop: loop) { $0.sendLine("\($1)") }
        defer { server.close() }
        let script = """
            import socket
            s = socket.socket(socket.AF_UNIX); s.connect('\\0\(name)')
            try: s.sendall(b'STATUS\\n'); print(len(s.recv(99)))
            except ConnectionError: print(0)
            """
        func output(_ user: [String]) -> String {
            Child.run("/usr/bin/setpriv", user + ["/usr/bin/python3", "-c", script]).output
        }
        #expect(output(["--reuid=\(geteuid())"]) == "15\n")
        #expect(output(["--reuid=65534"]) == "0\n")
    }
}

extension HostSocket {
    /// Up to `count` bytes; none where there are none, and at the end.
    func readSome(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let outcome = bytes.withUnsafeMutableBytes { buffer in
            var segments = [iovec(iov_base: buffer.baseAddress, iov_len: count)]
            return segments.withUnsafeMutableBufferPointer { read(into: UnsafeBufferPointer($0)) }
        }
        guard case .bytes(let done) = outcome else { return [] }
        return Array(bytes[..<done])
    }

    /// Writes `bytes` in two segments.
    func writeAll(_ bytes: [UInt8]) {
        var bytes = bytes
        let (count, cut) = (bytes.count, bytes.count / 3)
        bytes.withUnsafeMutableBytes { buffer in
            let segments = [
                iovec(iov_base: buffer.baseAddress, iov_len: cut),
                iovec(iov_base: buffer.baseAddress?.advanced(by: cut), iov_len: count - cut),
            ]
            segments.withUnsafeBufferPointer { write($0, byteCount: count) }
        }
    }
}
