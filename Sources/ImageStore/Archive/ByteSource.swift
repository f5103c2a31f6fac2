import CLinux
import HostIO
import HostResources
import SystemPackage

/// Bytes from a beginning to an end, some at a time.
protocol ByteSource: AnyObject {
    /// The next bytes, which stay where they are until the next call; none at the end.
    func next() throws(ImageStoreError) -> UnsafeRawBufferPointer
}

extension ByteSource {
    /// All bytes, up to a limit.
    func contents(limit: Int) throws(ImageStoreError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < limit {
            // SAFETY: copied before the next call.
            let next = try unsafe self.next()
            if unsafe next.isEmpty { break }
            unsafe bytes += next
        }
        return bytes
    }
}

/// What a descriptor gives: a file from its beginning, a pipe, or a part of a spool.
@safe final class DescriptorSource: ByteSource {
    private let descriptor: Int32
    /// For errors.
    private let name: String
    /// Where in the file the next bytes are; nil for a stream.
    private var position: UInt64?
    private var remaining: UInt64
    private let buffer: UnsafeMutableRawBufferPointer
    /// Whatever keeps the descriptor open.
    private let owner: AnyObject?
    /// Called every second in which a stream gives nothing.
    private let idle: () -> Void

    private static let bufferSize = 1 << 18

    private init(
        _ descriptor: Int32, name: String, position: UInt64?, count: UInt64, owner: AnyObject?,
        idle: @escaping () -> Void = {}
    ) {
        self.descriptor = descriptor
        self.name = name
        self.position = position
        remaining = count
        self.owner = owner
        self.idle = idle
        // SAFETY: freed with this.
        unsafe buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 4096)
    }

    // SAFETY: nobody uses a source's bytes without the source.
    deinit { unsafe buffer.deallocate() }

    convenience init(stream file: OpenFile, name: String, idle: @escaping () -> Void = {}) {
        self.init(file.descriptor.rawValue, name: name, position: nil, count: .max, owner: file, idle: idle)
    }

    convenience init(stream file: SourceFile, idle: @escaping () -> Void) {
        self.init(file.descriptor, name: file.path, position: nil, count: .max, owner: file, idle: idle)
    }

    convenience init(_ extent: Extent, of file: UnnamedFile, name: String) {
        self.init(file.descriptor, name: name, position: extent.offset, count: extent.count, owner: file)
    }

    func next() throws(ImageStoreError) -> UnsafeRawBufferPointer {
        let wanted = Int(min(UInt64(Self.bufferSize), remaining))
        guard wanted > 0 else { return unsafe UnsafeRawBufferPointer(rebasing: buffer[..<0]) }
        if position == nil {
            while caisson_poll(descriptor, Int16(POLLIN), 1000) == 0 { idle() }
        }
        while true {
            // SAFETY: no more than the buffer has.
            let count =
                if let position {
                    unsafe pread(descriptor, buffer.baseAddress, wanted, off_t(position))
                } else {
                    unsafe read(descriptor, buffer.baseAddress, wanted)
                }
            if count < 0, Errno.current == .interrupted { continue }
            guard count >= 0 else { throw .host(HostError("read", name, Errno.current)) }
            position = position.map { $0 + UInt64(count) }
            remaining -= UInt64(count)
            // SAFETY: that many bytes were written.
            return unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
        }
    }
}

/// Passes bytes on and computes their digest.
final class HashedSource: ByteSource {
    private let source: any ByteSource
    private var hash = SHA256()

    init(_ source: any ByteSource) { self.source = source }

    func next() throws(ImageStoreError) -> UnsafeRawBufferPointer {
        // SAFETY: nobody keeps them any longer than the source does.
        let bytes = try unsafe source.next()
        guard unsafe !bytes.isEmpty else { return unsafe bytes }
        unsafe hash.update(bytes)
        return unsafe bytes
    }

    /// Takes in what is left, which readers of archives do not look at.
    /// - Parameter advance: called with the counts of bytes taken in.
    /// - Returns: the digest of all.
    func finish(advance: (UInt64) -> Void = { _ in }) throws(ImageStoreError) -> ImageDigest {
        while true {
            // SAFETY: only their count is looked at.
            let count = try unsafe next().count
            if count == 0 { return hash.digest() }
            advance(UInt64(count))
        }
    }
}

/// Passes an archive's bytes on and watches its end.
final class WatchedSource: ByteSource {
    private let source: any ByteSource
    private(set) var count: UInt64 = 0
    /// At the end, up to a block of tar's.
    private var zeroCount = 0

    private static let blockSize = 512

    init(_ source: any ByteSource) { self.source = source }

    func next() throws(ImageStoreError) -> UnsafeRawBufferPointer {
        // SAFETY: nobody keeps them any longer than the source does.
        let bytes = try unsafe source.next()
        let zeroes = unsafe bytes.suffix(Self.blockSize).reversed().prefix { $0 == 0 }.count
        zeroCount = zeroes == bytes.count ? min(zeroCount + zeroes, Self.blockSize) : zeroes
        count += UInt64(bytes.count)
        return unsafe bytes
    }

    /// Goes to the end.
    /// - Parameter lastEntry: where the last entry ends.
    /// - Returns: whether a block of zeroes follows that, with which archives of tar's family end.
    func isWhole(after lastEntry: UInt64) throws(ImageStoreError) -> Bool {
        // SAFETY: only their count is looked at.
        while try unsafe next().count > 0 {}
        return zeroCount == Self.blockSize && count >= lastEntry + UInt64(Self.blockSize)
    }
}
