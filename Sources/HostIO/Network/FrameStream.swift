import CLinux
import HostResources
import SystemPackage

/// Ethernet frames over a connected stream socket, each behind its length, four bytes with the highest first. One thread
/// at a time uses it.
///
/// What is sent goes from the caller's memory, many frames by one system call. What is received is read many frames at a
/// time as well, and copied from there: a frame's place is not known before its length, and a call for each costs more
/// than the copy. The other side is not trusted: what it sends wrongly ends the stream.
@safe final class FrameStream {
    /// Why a stream ended.
    enum Ending: Equatable, Sendable {
        case closed
        case failed(Errno)
        /// The other side sent a length that no frame has.
        case impossibleLength(UInt32)
    }

    static let frameSizes = 14...(18 + 65535)
    private static let lengthSize = 4
    /// Segments and bytes of one system call.
    private static let segmentLimit = 1024
    private static let batchLimit = 256 << 10
    private static let bufferSize = 128 << 10

    let descriptor: Int32
    private let socket: SharedFileDescriptor
    private(set) var ending: Ending?

    // What is to be sent: segments of the caller's memory, and of lengths.
    private let segments: UnsafeMutablePointer<iovec>
    private var segmentCount = 0
    private var batchSize = 0
    private let lengths: UnsafeMutablePointer<UInt32>
    private var frameCount = 0
    /// What the socket did not take of the last batch.
    private var rest: [UInt8] = []
    private var restStart = 0

    // What was received and not taken.
    private let buffer: UnsafeMutableRawPointer
    private var bufferStart = 0
    private var bufferEnd = 0

    init(_ socket: SharedFileDescriptor) {
        self.socket = socket
        descriptor = socket.rawValue
        unsafe segments = .allocate(capacity: Self.segmentLimit)
        unsafe lengths = .allocate(capacity: Self.segmentLimit / 2)
        unsafe buffer = .allocate(byteCount: Self.bufferSize, alignment: 64)
    }

    deinit {
        // SAFETY: allocated here.
        unsafe segments.deallocate()
        unsafe lengths.deallocate()
        unsafe buffer.deallocate()
    }

    // MARK: Sending

    /// Takes a frame, whose segments stay until `flush` returns.
    /// - Returns: false where there is no room.
    func send(_ frame: UnsafeBufferPointer<iovec>, byteCount: Int) -> Bool {
        precondition(Self.frameSizes.contains(byteCount) && frame.count < Self.segmentLimit)
        guard ending == nil else { return true }
        guard rest.isEmpty, segmentCount + frame.count + 1 <= Self.segmentLimit,
            frameCount < Self.segmentLimit / 2, batchSize + byteCount <= Self.batchLimit
        else { return false }
        // SAFETY: below both limits; the length's place stays until the flush.
        let length = unsafe lengths + frameCount
        unsafe length.pointee = UInt32(byteCount).bigEndian
        unsafe segments[segmentCount] = iovec(iov_base: length, iov_len: Self.lengthSize)
        for index in 0..<frame.count { unsafe segments[segmentCount + 1 + index] = frame[index] }
        segmentCount += 1 + frame.count
        frameCount += 1
        batchSize += Self.lengthSize + byteCount
        return true
    }

    /// Sends all that was taken. What the socket has no room for is copied, and sent by a later flush.
    func flush() {
        defer { (segmentCount, frameCount, batchSize) = (0, 0, 0) }
        guard ending == nil, sendRest(), segmentCount > 0 else { return }
        // SAFETY: as many segments as are counted, whose memory stays during this call.
        let all = unsafe UnsafeBufferPointer(start: UnsafePointer(segments), count: segmentCount)
        let sent = unsafe result(of: caisson_send_segments(descriptor, all.baseAddress, Int32(all.count)))
        guard ending == nil, sent < batchSize else { return }
        var cursor = unsafe SegmentCursor(all)
        cursor.advance(by: sent)
        let left = batchSize - sent
        rest = unsafe [UInt8](unsafeUninitializedCapacity: left) { bytes, count in
            unsafe cursor.copy(left, to: UnsafeMutableRawBufferPointer(bytes))
            count = left
        }
        restStart = 0
    }

    /// Whether what was left behind waits for room.
    var isFull: Bool { !rest.isEmpty }

    /// - Returns: whether nothing is left.
    private func sendRest() -> Bool {
        guard !rest.isEmpty else { return true }
        // SAFETY: the array's own bytes from the start on.
        restStart += unsafe rest.withUnsafeBytes { bytes in
            unsafe result(
                of: caisson_send(descriptor, bytes.baseAddress?.advanced(by: restStart), bytes.count - restStart))
        }
        guard restStart == rest.count else { return false }
        rest = []
        return true
    }

    /// The bytes that a system call moved.
    private func result(of result: Int64) -> Int {
        if result >= 0 { return Int(result) }
        if result != -Int64(EAGAIN), result != -Int64(EINTR) {
            let errno = Errno(rawValue: CInt(truncatingIfNeeded: -result))
            ending = errno == .brokenPipe || errno == .connectionReset ? .closed : .failed(errno)
        }
        return 0
    }

    // MARK: Receiving

    /// Copies the next frame to the segments behind `headerSize` bytes, which become zeroes.
    /// - Returns: the bytes of both, whether there was room or not; nil if there is no whole frame yet.
    func receive(into segments: UnsafeBufferPointer<iovec>, headerSize: Int) -> Int? {
        guard let length = nextLength() else { return nil }
        defer { bufferStart += Self.lengthSize + length }
        // SAFETY: here and below, the cursor stays inside of the segments, a whole frame is in the buffer behind its length,
        // and the header has no more bytes than there are zeroes.
        var cursor = unsafe SegmentCursor(segments)
        guard cursor.byteCount >= headerSize + length else { return headerSize + length }
        var zeroes = InlineArray<16, UInt8>(repeating: 0)
        var span = zeroes.mutableSpan
        unsafe span.withUnsafeMutableBytes { bytes in
            unsafe cursor.copy(headerSize, from: UnsafeMutableRawBufferPointer(rebasing: bytes[..<headerSize]))
        }
        cursor.advance(by: headerSize)
        unsafe cursor.copy(
            length,
            from: UnsafeMutableRawBufferPointer(start: buffer + bufferStart + Self.lengthSize, count: length))
        return headerSize + length
    }

    /// The length of the next frame, which is in the buffer as a whole.
    private func nextLength() -> Int? {
        while ending == nil {
            let available = bufferEnd - bufferStart
            if available >= Self.lengthSize {
                // SAFETY: inside of what was received.
                let length = unsafe UInt32(
                    bigEndian: buffer.loadUnaligned(fromByteOffset: bufferStart, as: UInt32.self))
                guard Self.frameSizes.contains(Int(length)) else {
                    ending = .impossibleLength(length)
                    return nil
                }
                if available >= Self.lengthSize + Int(length) { return Int(length) }
            }
            guard fill() else { return nil }
        }
        return nil
    }

    /// Receives more, if there is more. There is room for it: what is there is less than one frame.
    private func fill() -> Bool {
        if bufferStart > 0 {
            // SAFETY: moves what was received to the buffer's start.
            unsafe buffer.copyMemory(from: buffer + bufferStart, byteCount: bufferEnd - bufferStart)
            bufferEnd -= bufferStart
            bufferStart = 0
        }
        // SAFETY: the kernel stores at most what is left of the buffer.
        let received = unsafe caisson_receive(descriptor, buffer + bufferEnd, Self.bufferSize - bufferEnd)
        if received == 0 { ending = .closed }
        bufferEnd += result(of: received)
        return received > 0
    }
}
