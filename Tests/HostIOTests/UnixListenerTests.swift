import CLinux
import Glibc
import HostResources
import Synchronization
import TestSupport
import Testing

@testable import HostIO

@Suite struct UnixListenerTests {
    /// Those who were handed over, and an answer to each.
    private final class Door: Sendable {
        let count = Atomic(0)

        func admit(_ accepted: consuming OwnedFileDescriptor) {
            count.add(1, ordering: .relaxed)
            Descriptor(accepted.release()).send("hello")
        }
    }

    @Test func handsOverWhoConnectsWhileItListens() throws {
        let (directory, loop, door) = (TemporaryDirectory(), try EventLoop(name: "test"), Door())
        defer { loop.stop() }
        let path = directory.path + "/s"
        let listener = try UnixListener(path)
        try listener.start(on: loop, isListening: false) { door.admit($0) }
        let first = Descriptor(caisson_unix_connect(path))
        #expect(!first.isReady(POLLIN, 50))
        listener.setListening(true)
        #expect(first.receiveText(5) == "hello")
        listener.setListening(false)
        let second = Descriptor(caisson_unix_connect(path))
        #expect(!second.isReady(POLLIN, 50) && door.count.load(ordering: .relaxed) == 1)
        listener.stop()
        #expect(names(in: directory.path).filter { $0 == "s" }.isEmpty)
    }

    @Test func startsNoMoreAfterItsEnd() throws {
        let (directory, loop, door) = (TemporaryDirectory(), try EventLoop(name: "test"), Door())
        defer { loop.stop() }
        let listener = try UnixListener(directory.path + "/s")
        let client = Descriptor(caisson_unix_connect(directory.path + "/s"))
        listener.stop()
        try listener.start(on: loop) { door.admit($0) }
        #expect(!client.isReady(POLLIN, 50) && door.count.load(ordering: .relaxed) == 0)
    }

    @Test func takesAwayNoPathButItsOwn() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/s"
        var listener: UnixListener? = try UnixListener(path)
        #expect(rename(path, path + "2") == 0)
        let other = try UnixListener(path)
        listener?.stop()
        #expect(access(path, F_OK) == 0)
        other.stop()
        // What is stopped has no path any more, and leaves a later one alone when it goes.
        let last = try UnixListener(path)
        listener = nil
        #expect(access(path, F_OK) == 0)
        last.stop()
        #expect(access(path, F_OK) != 0)
    }

    @Test func waitsWithoutBeingBusyWhereTheProcessHasNoDescriptor() async {
        // In a process of its own, whose limit concerns nobody else.
        await #expect(processExitsWith: .success) {
            let (directory, loop, door) = (TemporaryDirectory(), try EventLoop(name: "test"), Door())
            let listener = try UnixListener(directory.path + "/s")
            try listener.start(on: loop) { door.admit($0) }
            let clients = [Descriptor(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))]
            var limit = rlimit()
            precondition(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            var none = rlimit(rlim_cur: 0, rlim_max: limit.rlim_max)
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none) == 0)
            connect(clients[0], to: directory.path + "/s")
            let before = clock()
            usleep(1_000_000)
            let busy = Double(clock() - before) / Double(CLOCKS_PER_SEC)
            precondition(busy < 0.1, "\(busy) s of processor time in a second")
            precondition(door.count.load(ordering: .relaxed) == 0)
            // A descriptor is freed, and who waited gets in.
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            precondition(clients[0].receiveText(5) == "hello")
            listener.stop()
            loop.stop()
        }
    }
}

/// Connects a socket that exists.
private func connect(_ client: Descriptor, to path: String) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            Glibc.connect(client.raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    precondition(result == 0)
}
