import CLinux
import FileSharing
import TestSupport
import Testing

/// How the two sides come to speak, and what is no request.
struct ProtocolTests {
    @Test func `both sides agree on version, sizes and features`() throws {
        let guest = try FuseGuest(negotiates: false)
        let answer = guest.request(.initialize, node: 0, guest.halves(7, 31, 4096, 1 << 5 | 1 << 16 | 1 << 22))
        #expect(answer.error == 0)
        #expect(answer.body.count == 64)
        #expect(answer.number(UInt32.self, at: 0) == 7)
        #expect(answer.number(UInt32.self, at: 4) == 36)
        #expect(answer.number(UInt32.self, at: 8) == 4096)
        // BIG_WRITES and MAX_PAGES; never WRITEBACK_CACHE.
        #expect(answer.number(UInt32.self, at: 12) == 1 << 5 | 1 << 22)
        #expect(answer.number(UInt32.self, at: 20) == 1 << 20)
        #expect(answer.number(UInt16.self, at: 28) == 256)
    }

    @Test func `nothing is done before they agree`() throws {
        let guest = try FuseGuest(negotiates: false)
        guest.folder.file("share/a")
        #expect(guest.lookUp("a").error == EPROTO)
        for (major, minor) in [(6, 38), (8, 0), (7, 30)] as [(UInt32, UInt32)] {
            #expect(guest.request(.initialize, node: 0, guest.halves(major, minor, 0, 0)).error == EPROTO)
        }
        #expect(guest.lookUp("a").error == EPROTO)
        _ = guest.request(.initialize, node: 0, guest.halves(7, 38, 0, 0))
        #expect(guest.lookUp("a").error == 0)
        #expect(guest.request(.destroy, node: 0).error == 0)
        #expect(guest.lookUp("a").error == EPROTO)
    }

    @Test func `what has no header or no room for an answer is no request`() throws {
        let guest = try FuseGuest()
        for count in 0..<40 {
            #expect(guest.serve(TestMessage([UInt8](repeating: 0, count: count), room: 100)) == nil)
        }
        let header = guest.header(FuseOperation.readLink.rawValue, node: 1, length: 40)
        for room in 0..<16 { #expect(guest.serve(TestMessage(header, room: room)) == nil) }
        #expect(guest.serve(TestMessage(header, room: 16)) == 16)
    }

    @Test func `a length that is not the request's is refused`() throws {
        let guest = try FuseGuest()
        for length in [0, 39, 41, Int(UInt32.max)] {
            let message = TestMessage(
                guest.header(FuseOperation.fileSystemStatus.rawValue, node: 1, length: length), room: 200)
            #expect(guest.serve(message) == 16)
            #expect(Int32(bitPattern: Answer(error: 0, body: message.answer(16)).number(at: 4)) == -EINVAL)
        }
    }

    @Test func `an unknown operation is told so`() throws {
        let guest = try FuseGuest()
        for number in [0, 7, 19, 25, 31, 32, 33, 34, 37, 39, 40, 41, 48, 49, 51, 4096, UInt32.max] {
            #expect(guest.request(number: number).error == ENOSYS)
        }
    }

    @Test func `a request that ends too early is refused, whatever it asks for`() throws {
        let guest = try FuseGuest()
        // What has no parameters.
        let bare: Set<FuseOperation> = [
            .readLink, .fileSystemStatus, .destroy, .synchronizeFileSystem, .forget, .batchForget, .interrupt,
        ]
        for operation in FuseOperation.allCases where !bare.contains(operation) {
            #expect(guest.request(operation, [1, 2, 3]).error == EINVAL, "\(operation)")
        }
    }

    @Test func `an answer that does not fit fails`() throws {
        let guest = try FuseGuest()
        guest.folder.file("share/a")
        #expect(guest.request(.lookup, guest.name("a"), room: 127).error == EINVAL)
        #expect(guest.request(.lookup, guest.name("a"), room: 128).error == 0)
        #expect(guest.request(.fileSystemStatus, room: 79).error == EINVAL)
        #expect(guest.request(.fileSystemStatus, room: 80).error == 0)
    }

    @Test func `a request that is too long is refused`() throws {
        let guest = try FuseGuest()
        #expect(guest.request(.lookup, [UInt8](repeating: 97, count: 70_000)).error == E2BIG)
    }
}
