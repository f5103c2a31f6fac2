import CLinux
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import HostIO

/// A machine's end of a link.
private final class LinkEnd: Sendable {
    let loop: EventLoop
    let port: FramePort
    let reports = Mutex<[String]>([])
    private let frames = Mutex<[[UInt8]]>([])

    init(_ path: String) throws {
        loop = try EventLoop(name: "link")
        let box = Box()
        port = FramePort(try LinkSource(path: path), loop: loop) { line in box.add(line) }
        box.end.withLock { $0.end = self }
        port.start()
        port.setHandler { [weak self] in self?.receive() }
        port.wait(forFrames: true, forRoom: false)
    }

    private final class Box: Sendable {
        struct Reference { weak var end: LinkEnd? }
        let end = Mutex(Reference())
        func add(_ line: String) { end.withLock { $0.end }?.reports.withLock { $0.append(line) } }
    }

    private func receive() {
        var bytes = [UInt8](repeating: 0, count: 70_000)
        while true {
            let count = bytes.withUnsafeMutableBytes { bytes in
                let segment = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return withUnsafePointer(to: segment) {
                    port.receive(into: UnsafeBufferPointer(start: $0, count: 1))
                }
            }
            guard let count else { return }
            frames.withLock { $0.append(Array(bytes[12..<count])) }
        }
    }

    /// Sends on the loop, as a device does.
    func send(_ frame: [UInt8]) {
        loop.submit { [port] in
            var frame = frame
            frame.withUnsafeMutableBytes { bytes in
                let segment = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                withUnsafePointer(to: segment) {
                    _ = port.send(UnsafeBufferPointer(start: $0, count: 1), byteCount: bytes.count)
                    port.flush()
                }
            }
        }
    }

    /// Waits up to a minute for as many frames.
    func received(_ count: Int) -> [[UInt8]] {
        wait { self.frames.withLock { $0.count } >= count }
        return frames.withLock { $0 }
    }

    func isConnected(_ expected: Bool) -> Bool {
        wait { self.port.isConnected == expected }
        return port.isConnected
    }

    private func wait(_ condition: () -> Bool) {
        for _ in 0..<6000 where !condition() { usleep(10_000) }
    }

    func stop() {
        port.stop()
        loop.stop()
    }
}

@Suite struct LinkTests {
    private let frame = [UInt8](repeating: 5, count: 64)

    @Test func twoEndsMeetInAnyOrder() throws {
        let folder = Folder()
        let path = "\(folder.path)/cable"
        let first = try LinkEnd(path)
        #expect(!first.port.isConnected)
        let second = try LinkEnd(path)
        #expect(first.isConnected(true) && second.isConnected(true))
        first.send(frame)
        second.send(frame + [1])
        #expect(second.received(1) == [frame] && first.received(1) == [frame + [1]])

        // The one that listened leaves: the other listens, and meets the next.
        first.stop()
        #expect(!second.isConnected(false))
        let third = try LinkEnd(path)
        #expect(third.isConnected(true) && second.isConnected(true))
        third.send(frame + [2])
        #expect(second.received(2).last == frame + [2])
        #expect(second.reports.withLock { $0.count } == 1)
        third.stop()
        second.stop()
        #expect(access(path, F_OK) != 0)
    }

    @Test func aHostilePeerCostsTheConnection() throws {
        let folder = Folder()
        let path = "\(folder.path)/cable"
        let end = try LinkEnd(path)
        let peer = Descriptor(caisson_unix_connect(path))
        #expect(end.isConnected(true))
        peer.send([0xff, 0xff, 0xff, 0xff] + [UInt8](repeating: 0, count: 1000))
        #expect(!end.isConnected(false))
        let next = try LinkEnd(path)
        #expect(end.isConnected(true) && next.isConnected(true))
        #expect(end.reports.withLock { $0.first }?.contains("4294967295") == true)
        next.stop()
        end.stop()
    }

    @Test func whatIsNoSocketIsNotTouched() {
        let folder = Folder()
        let path = folder.file("text", "precious")
        #expect(throws: NetworkError.self) { try LinkSource(path: path) }
        #expect(throws: NetworkError.self) { try LinkSource(path: "\(folder.path)/none/cable") }
        #expect(access(path, F_OK) == 0)
    }
}
