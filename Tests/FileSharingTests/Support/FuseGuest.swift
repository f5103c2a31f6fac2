import CLinux
import FileSharing
import Glibc
import HostResources
import TestSupport

/// A request in memory of the test's own, in two pieces, with room for an answer.
final class TestMessage: FuseMessage {
    private let request: UnsafeMutableRawBufferPointer
    private let room: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8], room count: Int) {
        request = .allocate(byteCount: max(bytes.count, 1), alignment: 8)
        request.copyBytes(from: bytes)
        room = .allocate(byteCount: max(count, 1), alignment: 8)
        room.initializeMemory(as: UInt8.self, repeating: 0xee)
        requestSize = UInt64(bytes.count)
        answerRoom = UInt64(count)
    }

    deinit {
        request.deallocate()
        room.deallocate()
    }

    let requestSize: UInt64
    let answerRoom: UInt64

    func copyRequest(atMost count: Int) -> [UInt8] {
        Array(UnsafeRawBufferPointer(rebasing: request[..<min(count, Int(requestSize))]))
    }

    func store(_ bytes: Span<UInt8>, at offset: UInt64) {
        guard offset < answerRoom else { return }
        let count = min(bytes.count, Int(answerRoom - offset))
        bytes.withUnsafeBytes { bytes in
            UnsafeMutableRawBufferPointer(rebasing: room[Int(offset)...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
    }

    func withRequest(
        from offset: UInt64, atMost count: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64 { Self.window(request, requestSize, offset, count, body) }

    func withAnswer(
        from offset: UInt64, atMost count: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64 { Self.window(room, answerRoom, offset, count, body) }

    private static func window(
        _ memory: UnsafeMutableRawBufferPointer, _ size: UInt64, _ offset: UInt64, _ count: UInt64,
        _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64 {
        let start = Int(min(offset, size))
        let length = min(Int(count), Int(size) - start)
        let half = length / 2
        guard let base = memory.baseAddress, length > 0 else { return body(UnsafeBufferPointer(start: nil, count: 0)) }
        let pieces = [
            iovec(iov_base: base + start, iov_len: half), iovec(iov_base: base + start + half, iov_len: length - half),
        ]
        return pieces.withUnsafeBufferPointer(body)
    }

    func answer(_ count: UInt32) -> [UInt8] { Array(UnsafeRawBufferPointer(rebasing: room[..<Int(count)])) }
}

/// What a guest got for a request: an errno, or bytes.
struct Answer {
    let error: Int32
    let body: [UInt8]

    func number<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type = Value.self, at offset: Int) -> Value {
        (0..<MemoryLayout<Value>.size).reduce(0) { $0 | Value(body[offset + $1]) << Value(8 * $1) }
    }

    // Of an entry's answer.
    var node: UInt64 { number(at: 0) }
    var attributes: Attributes { Attributes(self, at: 40) }
}

struct Attributes {
    let inode: UInt64
    let size: UInt64
    let blocks: UInt64
    let modified: UInt64
    let mode: UInt32
    let links: UInt32
    let user: UInt32
    let group: UInt32

    init(_ answer: Answer, at offset: Int) {
        inode = answer.number(at: offset)
        size = answer.number(at: offset + 8)
        blocks = answer.number(at: offset + 16)
        modified = answer.number(at: offset + 32)
        mode = answer.number(at: offset + 60)
        links = answer.number(at: offset + 64)
        user = answer.number(at: offset + 68)
        group = answer.number(at: offset + 72)
    }
}

/// The kernel of a guest, as far as it speaks FUSE.
final class FuseGuest {
    static let root: UInt64 = 1

    let folder: Folder
    let path: String
    var server: FileServer
    var user: UInt32 = geteuid()
    var group: UInt32 = getegid()
    private var unique: UInt64 = 0

    init(
        _ folder: Folder = Folder(), readOnly: Bool = false,
        limits: FileServer.Limits = .init(descriptorLimit: 1024), negotiates: Bool = true
    ) throws {
        self.folder = folder
        path = folder.folder("share")
        server = try FileServer(
            root: OwnedFileDescriptor(owning: caisson_open_shared_directory(path)), isReadOnly: readOnly, limits: limits
        )
        if negotiates { _ = request(.initialize, node: 0, halves(7, 38, 1 << 17, UInt32.max)) }
    }

    var nodeCount: Int { server.nodeCount }
    var openFileCount: Int { server.openFileCount }
    var descriptorCount: Int { server.descriptorCount }
    func serve(_ message: TestMessage) -> UInt32? { server.serve(message) }
    func reset() { server.reset() }

    func numbers(_ numbers: UInt64...) -> [UInt8] {
        numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    }

    /// 32 bits each.
    func halves(_ numbers: UInt32...) -> [UInt8] {
        numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    }

    func header(_ operation: UInt32, node: UInt64, length: Int) -> [UInt8] {
        unique += 1
        return halves(UInt32(length), operation) + numbers(unique, node) + halves(user, group, 1, 0)
    }

    /// - Parameter room: bytes behind the answer's head.
    func request(
        _ operation: FuseOperation, node: UInt64 = root, _ body: [UInt8] = [], room: Int = 256
    ) -> Answer {
        request(number: operation.rawValue, node: node, body, room: room)
    }

    func request(number: UInt32, node: UInt64 = root, _ body: [UInt8] = [], room: Int = 4096) -> Answer {
        let message = TestMessage(header(number, node: node, length: 40 + body.count) + body, room: 16 + room)
        guard let count = server.serve(message) else { return Answer(error: -1, body: []) }
        let bytes = message.answer(count)
        let head = Answer(error: 0, body: bytes)
        precondition(head.number(UInt32.self, at: 0) == count && head.number(UInt64.self, at: 8) == unique)
        return Answer(error: -Int32(bitPattern: head.number(at: 4)), body: Array(bytes[16...]))
    }

    /// A request that nobody waits for.
    func tell(_ operation: FuseOperation, node: UInt64, _ body: [UInt8]) {
        let message = TestMessage(
            header(operation.rawValue, node: node, length: 40 + body.count) + body, room: 0)
        precondition(server.serve(message) == 0)
    }

    func name(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }

    func lookUp(_ text: String, in node: UInt64 = root) -> Answer { request(.lookup, node: node, name(text)) }

    /// Looks a path up, name by name.
    func walk(_ path: String) -> Answer {
        var answer = Answer(error: 0, body: numbers(Self.root))
        for part in path.split(separator: "/") where answer.error == 0 {
            answer = lookUp(String(part), in: answer.node)
        }
        return answer
    }

    func attributes(_ node: UInt64) -> (error: Int32, attributes: Attributes?) {
        let answer = request(.getAttributes, node: node, halves(0, 0) + numbers(0))
        return (answer.error, answer.error == 0 ? Attributes(answer, at: 16) : nil)
    }

    func open(_ node: UInt64, _ flags: Int32) -> Answer {
        request(.open, node: node, halves(UInt32(bitPattern: flags), 0))
    }

    func create(_ text: String, in node: UInt64 = root, mode: UInt32 = 0o644, _ flags: Int32 = O_RDWR | O_CREAT)
        -> Answer
    {
        request(.create, node: node, halves(UInt32(bitPattern: flags), mode, 0, 0) + name(text))
    }

    /// The handle in the answer to `create`.
    func handle(_ answer: Answer) -> UInt64 { answer.number(at: 128) }

    func read(_ handle: UInt64, at offset: UInt64, _ count: UInt32, room: Int? = nil) -> Answer {
        request(
            .read, node: 0, numbers(handle, offset, UInt64(count), 0, 0), room: room ?? Int(count))
    }

    func write(
        _ handle: UInt64, at offset: UInt64, _ bytes: [UInt8], flags: Int32 = 0, writeFlags: UInt32 = 0
    ) -> Answer {
        request(
            .write, node: 0,
            numbers(handle, offset) + halves(UInt32(bytes.count), writeFlags) + numbers(0)
                + halves(UInt32(bitPattern: flags), 0) + bytes)
    }

    func release(_ handle: UInt64) -> Int32 {
        request(.release, node: 0, numbers(handle, 0, 0)).error
    }

    /// The names of an open directory from the first on, in as many requests as it takes.
    func list(_ handle: UInt64, plus: Bool = false, room: UInt32 = 4096) -> (names: [[UInt8]], nodes: [UInt64]) {
        var (names, nodes): ([[UInt8]], [UInt64]) = ([], [])
        var offset: UInt64 = 0
        while true {
            let answer = request(
                plus ? .readDirectoryPlus : .readDirectory, node: 0,
                numbers(handle, offset, UInt64(room), 0, 0), room: Int(room))
            precondition(answer.error == 0)
            if answer.body.isEmpty { return (names, nodes) }
            var place = 0
            while place < answer.body.count {
                if plus {
                    nodes.append(answer.number(at: place))
                    place += 128
                }
                offset = answer.number(at: place + 8)
                let count = Int(answer.number(UInt32.self, at: place + 16))
                names.append(Array(answer.body[place + 24..<place + 24 + count]))
                place += (24 + count + 7) / 8 * 8
            }
        }
    }
}
