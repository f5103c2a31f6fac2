import CLinux
import FileSharing
import Glibc
import HostResources

/// One input is what a guest asks of a shared directory: requests, each with a byte for what it asks for, one for the room of
/// its answer, and one for its length. Whatever it is, the answer fits, and what lies beside the directory stays as it is.
@_cdecl("LLVMFuzzerTestOneInput")
public func serveGuest(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var rest = Array(UnsafeBufferPointer(start: start, count: count))[...]
    let place = Place.shared
    place.clear()
    guard var server = place.makeServer(isReadOnly: (rest.popFirst() ?? 0) & 7 == 0) else { fatalError("no directory") }
    let operations = FuseOperation.allCases.filter { $0 != .synchronizeFileSystem }
    // Version 7.38, 128 KiB of read-ahead, every feature.
    answer(&server, .initialize, 0, [7, 0, 0, 0, 38, 0, 0, 0, 0, 0, 2, 0, 255, 255, 255, 255], room: 80)
    while let operation = rest.popFirst(), let room = rest.popFirst(), let length = rest.popFirst() {
        let body = Array(rest.prefix(Int(length)))
        rest = rest.dropFirst(body.count)
        answer(
            &server, operations[Int(operation) % operations.count], UInt64(room & 7), body,
            room: 16 + [0, 16, 144, 4096][Int(room >> 3 & 3)])
    }
    place.check()
    return 0
}

private func answer(
    _ server: inout FileServer, _ operation: FuseOperation, _ node: UInt64, _ body: [UInt8], room: Int
) {
    func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
    let header = bytes(UInt32(40 + body.count)) + bytes(operation.rawValue) + bytes(1 as UInt64) + bytes(node)
    let message = Message(header + [UInt8](repeating: 0, count: 16) + body, room: room)
    guard let count = server.serve(message) else { fatalError("no answer") }
    precondition(Int(count) <= room)
}

/// A directory with one to share and a file beside it.
private final class Place {
    nonisolated(unsafe) static let shared = Place()
    private let path: String
    private var round = 0

    private init() {
        var template = Array("share-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no directory") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // A guest may ask for terabytes.
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        let secret = open("\(path)/secret", O_CREAT | O_WRONLY, 0o600)
        precondition(write(secret, "secret", 6) == 6)
        close(secret)
    }

    func clear() {
        remove(Array(share.utf8CString))
        round += 1
        mkdir(share, 0o755)
    }

    private var share: String { "\(path)/\(round)" }

    /// Removes a file, or a directory with all that is in it. The path ends with a NUL.
    private func remove(_ path: [CChar]) {
        guard unlink(path) != 0, let stream = opendir(path) else { return }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                $0.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
            }
            if name == [46] || name == [46, 46] { continue }
            remove(path.dropLast() + [47] + name + [0])
        }
        closedir(stream)
        rmdir(path)
    }

    func makeServer(isReadOnly: Bool) -> FileServer? {
        var limits = FileServer.Limits(descriptorLimit: 1024)
        (limits.nodes, limits.openFiles, limits.descriptors) = (20, 8, 3)
        return try? FileServer(
            root: OwnedFileDescriptor(owning: caisson_open_shared_directory(share)), isReadOnly: isReadOnly,
            limits: limits)
    }

    func check() {
        var status = stat()
        precondition(stat("\(path)/secret", &status) == 0 && status.st_size == 6 && status.st_nlink == 1)
    }
}

/// A request and the room for its answer, in one piece each.
private final class Message: FuseMessage {
    private let request: UnsafeMutableRawBufferPointer
    private let room: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8], room count: Int) {
        request = .allocate(byteCount: bytes.count, alignment: 8)
        request.copyBytes(from: bytes)
        room = .allocate(byteCount: count, alignment: 8)
    }

    deinit {
        request.deallocate()
        room.deallocate()
    }

    var requestSize: UInt64 { UInt64(request.count) }
    var answerRoom: UInt64 { UInt64(room.count) }

    func copyRequest(atMost count: Int) -> [UInt8] { Array(request.prefix(count)) }

    func store(_ bytes: Span<UInt8>, at offset: UInt64) {
        for index in 0..<bytes.count { room[Int(offset) + index] = bytes[index] }
    }

    func withRequest(
        from offset: UInt64, atMost count: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64 { Self.window(request, offset, count, body) }

    func withAnswer(
        from offset: UInt64, atMost count: UInt64, _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64 { Self.window(room, offset, count, body) }

    private static func window(
        _ memory: UnsafeMutableRawBufferPointer, _ offset: UInt64, _ count: UInt64,
        _ body: (UnsafeBufferPointer<iovec>) -> Int64
    ) -> Int64 {
        let start = min(Int(offset), memory.count)
        let segment = iovec(
            iov_base: memory.baseAddress.map { $0 + start }, iov_len: min(Int(count), memory.count - start))
        return withUnsafePointer(to: segment) { body(UnsafeBufferPointer(start: $0, count: 1)) }
    }
}
