import CLinux
import FileSharing
import Glibc
import TestSupport
import Testing

/// Requests that no kernel makes.
struct FuzzTests {
    /// Whatever comes, each request gets an answer that fits, and nothing outside of the share changes.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `random requests are answered or refused`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let folder = Folder()
        folder.file("secret", "secret")
        var limits = FileServer.Limits(descriptorLimit: 1024)
        (limits.nodes, limits.openFiles, limits.descriptors) = (50, 10, 4)
        let guest = try FuseGuest(folder, limits: limits)
        let operations = FuseOperation.allCases.filter { $0 != .destroy && $0 != .synchronizeFileSystem }
        let names = ["a", "b", "..", ".", "c/d", "", "secret", "link", "../secret"]
        symlink("..", "\(guest.path)/link")
        for _ in 0..<20_000 {
            var body: [UInt8] = []
            for _ in 0..<Int.random(in: 0...8, using: &generator) {
                switch Int.random(in: 0...5, using: &generator) {
                case 0: body += guest.numbers(UInt64.random(in: 0...12, using: &generator))
                case 1: body += guest.halves(UInt32.random(in: 0...0xfff, using: &generator))
                case 2: body += guest.numbers(UInt64.random(in: 0 ... .max, using: &generator))
                case 3:
                    body += guest.numbers([0, 1 << 20, UInt64(Int64.max), .max].randomElement(using: &generator) ?? 0)
                default: body += guest.name(names.randomElement(using: &generator) ?? "")
                }
            }
            let operation = operations.randomElement(using: &generator) ?? .lookup
            // A file of many bytes would fill the disk of whoever tests.
            if operation == .allocate || operation == .setAttributes { body = Array(body.prefix(16)) }
            let length =
                Int.random(in: 0...20, using: &generator) == 0
                ? Int.random(in: 0...100, using: &generator) : 40 + body.count
            let node = UInt64.random(in: 0...12, using: &generator)
            let room = 16 + [0, 8, 128, 4096, 100_000][Int.random(in: 0...4, using: &generator)]
            let message = TestMessage(
                guest.header(operation.rawValue, node: node, length: length) + body, room: room)
            let count = try #require(guest.serve(message))
            try #require(Int(count) <= room)
            try #require(guest.nodeCount <= 50 && guest.openFileCount <= 10)
        }
        #expect(folder.files == ["secret", "share"])
        #expect(Child.run("/bin/cat", ["\(folder.path)/secret"]).output == "secret")
    }

    @Test func `random bytes are no harm`() throws {
        var generator = SeededGenerator(seed: 7)
        let guest = try FuseGuest()
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
                UInt8.random(in: 0 ... .max, using: &generator)
            }
            let message = TestMessage(bytes, room: Int.random(in: 0...200, using: &generator))
            if let count = guest.serve(message) { #expect(UInt64(count) <= message.answerRoom) }
        }
    }
}
