import CLinux
import Glibc
import HostResources
import Synchronization
import TestSupport
import Testing

@testable import HostIO

@Suite struct SocketSpecificationTests {
    static let usable: [(String, String, UInt32)] = [
        ("s", "s", 3), ("/run/a,,b,cid=3", "/run/a,b", 3), ("s,cid=4294967294", "s", 4_294_967_294),
    ]

    @Test(arguments: usable.indices) func isReadAndWritten(index: Int) throws {
        let (text, path, cid) = Self.usable[index]
        let specification = try SocketSpecification(text)
        #expect(specification.path == path && specification.cid == cid)
        #expect(try SocketSpecification(specification.description) == specification)
    }

    static let unusable: [(String, SocketSpecificationError.Reason)] = [
        ("", .noPath), (",cid=3", .noPath), ("a\0b", .nulInPath), ("s,cid=2", .unusableCID("2")),
        ("s,cid=4294967295", .unusableCID("4294967295")), ("s,cid=", .unusableCID("")), ("s,cid=x", .unusableCID("x")),
        ("s,port=1", .unknownOption("port=1")), ("s,cid=3,x", .unknownOption("x")),
        ("s,cid=3,cid=4", .repeatedOption("cid=")), (String(repeating: "s", count: 97), .longPath),
    ]

    @Test(arguments: unusable.indices) func saysWhatIsWrong(index: Int) {
        let (text, reason) = Self.unusable[index]
        #expect(throws: SocketSpecificationError(text: text, reason: reason)) { try SocketSpecification(text) }
    }
}

/// A server that answers each client with the port it wants, and a way to it.
private final class ServerBench {
    let directory = TemporaryDirectory()
    let loop: EventLoop
    let server: SocketServer

    var path: String { directory.path + "/s" }

    init() throws {
        loop = try EventLoop(name: "test")
        let loop = loop
        server = try SocketServer(path: directory.path + "/s", loop: loop) { client, port in
            HostSocket(client, keepingAtMost: 4096, loop: loop).writeLine("PORT \(port)")
        }
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

@Suite struct SocketServerTests {
    static let lines: [(String, String)] = [
        ("CONNECT 52\n", "PORT 52\n"), ("CONNECT 0\r\n", "PORT 0\n"), ("CONNECT 4294967294\n", "PORT 4294967294\n"),
    ]

    @Test(arguments: lines.indices) func connectsToThePort(index: Int) throws {
        let bench = try ServerBench()
        let client = bench.client()
        client.send(Self.lines[index].0)
        #expect(client.receiveText(100) == Self.lines[index].1)
    }

    static let wrong = [
        "\n", "CONNECT\n", "CONNECT \n", "CONNECT x\n", "connect 52\n", "CONNECT 4294967295\n", "CONNECT -1\n",
        "CONNECT 52 \n", "CONNECT 99999999999999999999\n", "GET / HTTP/1.1\r\n", String(repeating: "C", count: 5000),
        "\0\0\0\n", "CONNECT 000000000000000000000000000000052\n",
    ]

    @Test(arguments: wrong) func refusesWhatIsNoLine(line: String) throws {
        let bench = try ServerBench()
        signal(SIGPIPE, SIG_IGN)
        let client = bench.client()
        client.send(line)
        #expect(client.receive(until: "\n").hasPrefix("ERROR expected a line CONNECT"))
    }

    @Test func readsNoFurtherThanTheLine() throws {
        let directory = TemporaryDirectory()
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let sockets = Mutex<[HostSocket]>([])
        let server = try SocketServer(path: directory.path + "/s", loop: loop) { client, _ in
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
        let silent = (0..<SocketServer.clientLimit + 8).map { _ in
            let client = bench.client()
            client.send("CONN")
            return client
        }
        // The oldest have gone; the newest can go on.
        #expect(silent[0].isReady(POLLIN, 10_000) && silent[0].receive(1).isEmpty)
        silent[silent.count - 1].send("ECT 3\n")
        #expect(silent[silent.count - 1].receiveText(100) == "PORT 3\n")
    }

    @Test func clientsThatLeaveAreForgotten() throws {
        let bench = try ServerBench()
        let before = resources()[0]
        for _ in 0..<200 { bench.client().send("CONN") }
        let last = bench.client()
        last.send("CONNECT 1\n")
        #expect(last.receiveText(100) == "PORT 1\n")
        #expect(eventually { resources()[0] < before + 40 })
    }

    @Test func replacesAStaleSocketAlone() throws {
        let directory = TemporaryDirectory()
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let path = directory.path + "/s"
        close(caisson_unix_listen(path))
        let server = try SocketServer(path: path, loop: loop) { _, _ in }
        #expect(throws: HostError("listen on", path, .addressInUse)) {
            try SocketServer(path: path, loop: loop) { _, _ in }
        }
        server.close()
        #expect(names(in: directory.path).filter { $0 == "s" }.isEmpty)
        let file = directory.file("f", "text")
        #expect(throws: HostError("listen on", file, .addressInUse)) {
            try SocketServer(path: file, loop: loop) { _, _ in }
        }
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
