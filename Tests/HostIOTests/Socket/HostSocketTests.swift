import CLinux
import Glibc
import HostResources
import Synchronization
import TestSupport
import Testing

@testable import HostIO

@Suite struct HostSocketTests {
    private final class Changes: Sendable {
        let count = Atomic(0)
    }

    private final class Bench {
        let loop: EventLoop
        let socket: HostSocket
        var other: Descriptor?
        private let changes = Changes()

        init(keeping limit: Int = 1 << 20) throws {
            loop = try EventLoop(name: "test")
            var other: OwnedFileDescriptor?
            socket = try HostSocket(pairedWith: &other, keepingAtMost: limit, loop: loop)
            if let owned = other.take() { self.other = Descriptor(owned.release()) }
            let changes = changes
            try socket.start { changes.count.add(1, ordering: .relaxed) }
        }

        deinit {
            loop.stop()
            socket.close()
        }

        var changeCount: Int { changes.count.load(ordering: .relaxed) }
    }

    @Test func tellsWhenThereIsSomethingToReadOnlyIfAsked() throws {
        let bench = try Bench()
        bench.other?.send("abc")
        usleep(20_000)
        #expect(bench.changeCount == 0)
        bench.socket.setReading(true)
        #expect(eventually { bench.changeCount > 0 })
        #expect(bench.socket.readSome(2) == Array("ab".utf8))
        #expect(bench.socket.readSome(2) == Array("c".utf8))
        #expect(bench.socket.readSome(2).isEmpty)
    }

    @Test func keepsWhatTheOtherSideHasNoRoomFor() throws {
        let bench = try Bench()
        let bytes = pattern(1 << 20)
        bench.socket.writeAll(bytes)
        #expect(bench.socket.keptByteCount > 0)
        bench.socket.endOutput()
        let received = bench.other?.receive(.max) ?? []
        #expect(received == bytes)
        #expect(eventually { bench.socket.keptByteCount == 0 } && bench.changeCount > 0)
        #expect(!bench.socket.isOutputGone)
    }

    @Test func halvesEndByThemselves() throws {
        let bench = try Bench()
        let other = try #require(bench.other)
        other.send("last")
        shutdown(other.raw, Int32(SHUT_WR))
        #expect(bench.socket.readSome(10) == Array("last".utf8))
        #expect(bench.socket.readSome(10).isEmpty && !bench.socket.isOutputGone)
        bench.socket.writeAll(Array("answer".utf8))
        #expect(other.receive(6) == Array("answer".utf8))
        // The other side goes for good.
        bench.other = nil
        _ = consume other
        #expect(eventually { bench.socket.isOutputGone } && bench.changeCount > 0)
    }

    @Test func whoeverWritesHearsThatNobodyReads() throws {
        let bench = try Bench()
        signal(SIGPIPE, SIG_IGN)
        bench.socket.endInput()
        let other = try #require(bench.other)
        #expect(write(other.raw, "x", 1) == -1 && errno == EPIPE)
    }

    @Test func aClientThatLeavesTakesWhatIsKept() throws {
        let bench = try Bench()
        bench.socket.writeAll(pattern(1 << 20))
        #expect(bench.socket.keptByteCount > 0)
        bench.other = nil
        #expect(eventually { bench.socket.isOutputGone && bench.socket.keptByteCount == 0 })
        bench.socket.writeAll(pattern(1000))
        #expect(bench.socket.keptByteCount == 0)
    }

    @Test func closingTellsTheOtherSide() throws {
        let bench = try Bench()
        bench.socket.close()
        bench.socket.close()
        #expect(bench.other?.receive(1) == [])
        #expect(bench.socket.isOutputGone && bench.socket.readSome(1).isEmpty)
        bench.socket.writeAll([1, 2, 3])
        bench.socket.setReading(true)
    }
}
