import CLinux
import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import HostIO

/// Memory for a lane's operations, parted into segments as a test wants it.
final class Buffers {
    let bytes: UnsafeMutableRawBufferPointer
    let segments: UnsafeMutableBufferPointer<iovec>

    init(_ lengths: [Int], shift: Int = 0) {
        bytes = .allocate(byteCount: lengths.reduce(shift, +), alignment: 4096)
        segments = .allocate(capacity: lengths.count)
        var place = shift
        for (index, length) in lengths.enumerated() {
            segments[index] = iovec(iov_base: bytes.baseAddress.map { $0 + place }, iov_len: length)
            place += length
        }
    }

    deinit {
        bytes.deallocate()
        segments.deallocate()
    }

    var byteCount: UInt64 { segments.reduce(0) { $0 + UInt64($1.iov_len) } }

    var contents: [UInt8] {
        get { segments.flatMap { Array(UnsafeRawBufferPointer(start: $0.iov_base, count: $0.iov_len)) } }
        set {
            var place = 0
            for segment in segments {
                segment.iov_base?.copyMemory(
                    from: Array(newValue[place..<place + segment.iov_len]), byteCount: segment.iov_len)
                place += segment.iov_len
            }
        }
    }
}

extension DiskLane {
    /// Carries one operation out whole.
    func perform(_ start: (UInt16) -> Void) -> DiskFailure? {
        start(3)
        submit()
        while true {
            if let (tag, failure) = nextCompletion() {
                #expect(tag == 3)
                return failure
            }
            wait()
        }
    }

    func read(_ buffers: Buffers, at offset: UInt64) -> DiskFailure? {
        perform {
            read(into: UnsafeBufferPointer(buffers.segments), byteCount: buffers.byteCount, at: offset, tag: $0)
        }
    }

    func write(_ buffers: Buffers, at offset: UInt64, isDurable: Bool = false) -> DiskFailure? {
        perform {
            write(
                UnsafeBufferPointer(buffers.segments), byteCount: buffers.byteCount, at: offset, isDurable: isDurable,
                tag: $0)
        }
    }

    func bytes(_ range: Range<UInt64>) -> [UInt8] {
        let buffers = Buffers([range.count])
        #expect(read(buffers, at: range.lowerBound) == nil)
        return buffers.contents
    }
}

@Suite struct DiskImageTests {
    enum Kind: String, CaseIterable, Sendable {
        case ring, waiting, direct, snapshot, scratch
    }

    static let size: UInt64 = 1 << 18
    private let folder = Folder()

    private func contents() -> [UInt8] {
        (0..<Int(Self.size)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 512) }
    }

    private func image(
        _ path: String, cache: DiskCache = .writeback, isReadOnly: Bool = false, isSnapshot: Bool = false
    )
        throws -> DiskImage
    {
        try DiskImage(opening: path, isReadOnly: isReadOnly, cache: cache, isSnapshot: isSnapshot) { _ in }
    }

    /// Nil where the host's file system cannot do it, which is said aloud.
    private func open(_ kind: Kind, _ path: String) throws -> DiskImage? {
        switch kind {
        case .ring, .waiting: return try image(path)
        case .snapshot: return try image(path, isSnapshot: true)
        case .scratch: return try DiskImage(scratch: Self.size) { _ in }
        case .direct:
            do { return try image(path, cache: .none) } catch DiskError.noDirectIO {
                print("NOT TESTED: direct I/O; the file system of \(path) has none")
                return nil
            }
        }
    }

    private func lane(_ kind: Kind, _ image: DiskImage, _ loop: EventLoop) -> any DiskLane {
        let lane = kind == .waiting ? image.makeWaitingLane() : image.makeLane(depth: 8, loop: loop) {}
        if kind == .ring, !(lane is RingLane) { print("NOT TESTED: io_uring; this host refuses it") }
        return lane
    }

    @Test(arguments: Kind.allCases)
    func aDiskIsAnArray(_ kind: Kind) throws {
        let path = folder.file("disk", contents())
        guard let image = try open(kind, path) else { return }
        #expect(image.byteCount == Self.size && !image.isReadOnly)
        let loop = try EventLoop(name: "test")
        let lane = lane(kind, image, loop)
        var model = kind == .scratch ? [UInt8](repeating: 0, count: Int(Self.size)) : contents()
        var random = SeededGenerator(seed: 7)
        let block = UInt64(image.blockSize)
        for round in 0..<300 {
            let first = UInt64.random(in: 0..<Self.size / block, using: &random)
            let count = min(UInt64.random(in: 1...40, using: &random), Self.size / block - first)
            let range = Int(first * block)..<Int((first + count) * block)
            // Segments of any size, and memory of any alignment.
            var lengths: [Int] = []
            var left = range.count
            while left > 0 {
                lengths.append(min(left, Int.random(in: 1...8000, using: &random)))
                left -= lengths.last ?? 0
            }
            let buffers = Buffers(lengths, shift: Int.random(in: 0...3, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                #expect(lane.read(buffers, at: UInt64(range.lowerBound)) == nil)
                #expect(buffers.contents == Array(model[range]), "round \(round)")
            case 4..<7:
                let bytes = range.map { _ in UInt8.random(in: 0...255, using: &random) }
                buffers.contents = bytes
                let isDurable = Bool.random(using: &random)
                #expect(lane.write(buffers, at: UInt64(range.lowerBound), isDurable: isDurable) == nil)
                model.replaceSubrange(range, with: bytes)
            case 7:
                let mayDiscard = Bool.random(using: &random)
                let failure = lane.perform {
                    lane.writeZeroes(
                        at: UInt64(range.lowerBound), byteCount: UInt64(range.count), mayDiscard: mayDiscard,
                        isDurable: mayDiscard, tag: $0)
                }
                #expect(failure == nil)
                model.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
            case 8: #expect(lane.perform { lane.flush(tag: $0) } == nil)
            default:
                let failure = lane.perform {
                    lane.discard(at: UInt64(range.lowerBound), byteCount: UInt64(range.count), tag: $0)
                }
                #expect(failure == nil)
                // What is there now is the disk's business.
                model.replaceSubrange(range, with: lane.bytes(UInt64(range.lowerBound)..<UInt64(range.upperBound)))
            }
        }
        #expect(lane.bytes(0..<Self.size) == model)
        let file = try #require(FileManager.bytes(of: path))
        switch kind {
        case .ring, .waiting, .direct: #expect(file == model)
        case .snapshot, .scratch: #expect(file == contents())
        }
    }

    @Test func manyOperationsEndInAnyOrder() throws {
        let image = try image(folder.file("disk", contents()), isReadOnly: true)
        let loop = try EventLoop(name: "test")
        let lane = image.makeLane(depth: 8, loop: loop) {}
        let buffers = (0..<8).map { _ in Buffers([100, 412]) }
        for (tag, buffer) in buffers.enumerated() {
            lane.read(
                into: UnsafeBufferPointer(buffer.segments), byteCount: 512, at: UInt64(tag) * 1024, tag: UInt16(tag))
        }
        lane.submit()
        var tags: Set<UInt16> = []
        while tags.count < 8 {
            guard let (tag, failure) = lane.nextCompletion() else {
                lane.wait()
                continue
            }
            #expect(failure == nil && tags.insert(tag).inserted)
            #expect(buffers[Int(tag)].contents == Array(contents()[Int(tag) * 1024..<Int(tag) * 1024 + 512]))
        }
        #expect(lane.nextCompletion() == nil)
    }

    @Test(.timeLimit(.minutes(1))) func theLoopHearsOfWhatEnds() async throws {
        let image = try image(folder.file("disk", contents()))
        let loop = try EventLoop(name: "test")
        let raw = try #require(image.file as? RawFile)
        let (heard, told) = AsyncStream.makeStream(of: Void.self)
        guard let lane = try? RingLane(raw, depth: 2, loop: loop, completed: { told.yield() }) else {
            print("NOT TESTED: io_uring; this host refuses it")
            return
        }
        lane.flush(tag: 0)
        lane.submit()
        for await _ in heard {
            if let (tag, failure) = lane.nextCompletion() {
                #expect(tag == 0 && failure == nil)
                break
            }
        }
    }

    @Test(arguments: [Kind.ring, .waiting])
    func aFileThatShrinksFailsReads(_ kind: Kind) throws {
        let path = folder.file("disk", contents())
        let image = try image(path)
        let loop = try EventLoop(name: "test")
        let lane = lane(kind, image, loop)
        #expect(truncate(path, 10_000) == 0)
        let buffers = Buffers([4096, 4096, 4096])
        #expect(lane.read(buffers, at: 0) == DiskFailure(.read, at: 10_000, .endOfFile))
        #expect(lane.read(Buffers([512]), at: 0) == nil)
        // A write makes it longer again.
        #expect(lane.write(buffers, at: 100 * 512) == nil)
    }

    @Test(arguments: [Kind.ring, .waiting])
    func aFullHostFailsWrites(_ kind: Kind) throws {
        // Where every write finds no space: the limit of the process's file size does the same as a full disk.
        let path = "/dev/full"
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        try #require(descriptor >= 0)
        let raw = RawFile(.init(owning: descriptor), cache: .writeback)
        let loop = try EventLoop(name: "test")
        let lane: any DiskLane =
            kind == .ring
            ? (try? RingLane(raw, depth: 4, loop: loop, completed: {})) ?? WaitingLane(raw) : WaitingLane(raw)
        #expect(lane.write(Buffers([512]), at: 0) == DiskFailure(.write, at: 0, .refused(.noSpace)))
    }

    @Test func failuresAreToldOnce() throws {
        let told = Mutex<[String]>([])
        let path = folder.file("disk", contents())
        let image = try DiskImage(opening: path, isReadOnly: true, cache: .writeback, isSnapshot: false) { line in
            told.withLock { $0.append(line) }
        }
        for offset in 0..<10 as Range<UInt64> { image.report(DiskFailure(.read, at: offset, .endOfFile)) }
        image.report(DiskFailure(.write, at: 0, .refused(.ioError)))
        let lines = told.withLock { $0 }
        #expect(lines.count == 2)
        #expect(
            lines[0]
                == "disk \(path): cannot read byte 0: the file became shorter than the disk; the guest sees an I/O error"
        )
    }

    // MARK: Opening

    @Test func writersExcludeOthers() throws {
        let path = folder.file("disk", contents())
        do {
            let writer = try image(path)
            #expect(throws: DiskError.locked(path: path, isWritable: true)) { try image(path) }
            #expect(throws: DiskError.locked(path: path, isWritable: false)) { try image(path, isReadOnly: true) }
            #expect(throws: DiskError.locked(path: path, isWritable: false)) { try image(path, isSnapshot: true) }
            withExtendedLifetime(writer) {}
        }
        let first = try image(path, isReadOnly: true)
        let second = try image(path, isSnapshot: true)
        #expect(throws: DiskError.locked(path: path, isWritable: true)) { try image(path) }
        withExtendedLifetime((first, second)) {}
    }

    @Test func whatIsNoDiskIsRefused() throws {
        let empty = folder.file("empty")
        #expect(throws: DiskError.empty(path: empty)) { try image(empty) }
        let odd = folder.file("odd", [UInt8](repeating: 1, count: 1000))
        #expect(throws: DiskError.partialBlock(path: odd, byteCount: 1000, blockSize: 512)) { try image(odd) }
        #expect(throws: DiskError.wrongKind(path: folder.path, isDirectory: true)) {
            try image(folder.path, isReadOnly: true)
        }
        #expect(throws: DiskError.wrongKind(path: "/dev/null", isDirectory: false)) { try image("/dev/null") }
        let fifo = folder.path + "/fifo"
        #expect(mkfifo(fifo, 0o600) == 0)
        #expect(throws: DiskError.wrongKind(path: fifo, isDirectory: false)) { try image(fifo) }
        let missing = folder.path + "/missing"
        #expect {
            try image(missing)
        } throws: {
            "\($0)" == "cannot open the disk \(missing): No such file or directory"
        }
        #expect(!FileManager.exists(missing))
    }

    @Test func everyErrorIsOneLine() {
        for error in [
            DiskError.refused(HostError("open the disk", "a", .permissionDenied), isWritable: true),
            .wrongKind(path: "a", isDirectory: true), .wrongKind(path: "a", isDirectory: false), .empty(path: "a"),
            .partialBlock(path: "a", byteCount: 1000, blockSize: 512), .locked(path: "a", isWritable: true),
            .locked(path: "a", isWritable: false), .noDirectIO(path: "a"), .noScratchFile(directory: "a", .noSpace),
        ] {
            #expect("\(error)".contains("a") && !"\(error)".contains("\n"))
        }
    }

    @Test func scratchDisksNeedADirectory() throws {
        // Nothing is left behind: the file never had a name.
        let image = try DiskImage(scratch: 1 << 40) { _ in }
        let loop = try EventLoop(name: "test")
        let lane = image.makeLane(depth: 8, loop: loop) {}
        #expect(lane.bytes((1 << 40) - 512..<1 << 40) == [UInt8](repeating: 0, count: 512))
    }
}

private enum FileManager {
    static func bytes(of path: String) -> [UInt8]? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = read(descriptor, &bytes, bytes.count)
        return count >= 0 ? Array(bytes.prefix(count)) : nil
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
