import CLinux
import Glibc
import HostResources
import Synchronization
import TestSupport
import Testing

@testable import HostIO

/// One end of a stream of frames, and the socket at the other.
private final class Wire {
    let stream: FrameStream
    let peer: Descriptor

    init() {
        let (own, peer) = Self.pair()
        stream = FrameStream(SharedFileDescriptor(OwnedFileDescriptor(owning: own)))
        self.peer = peer
    }

    static func pair() -> (Int32, Descriptor) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        precondition(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        return (ends[0], Descriptor(ends[1]))
    }

    /// Sends a frame in segments of at most `part` bytes; false where there is no room.
    func send(_ frame: [UInt8], part: Int = 1000, andFlush: Bool = true) -> Bool {
        var frame = frame
        let count = frame.count
        return frame.withUnsafeMutableBytes { bytes in
            let segments = stride(from: 0, to: count, by: part).map { offset in
                iovec(iov_base: bytes.baseAddress.map { $0 + offset }, iov_len: min(part, count - offset))
            }
            let isTaken = segments.withUnsafeBufferPointer { stream.send($0, byteCount: count) }
            if andFlush { stream.flush() }
            return isTaken
        }
    }

    /// What was received behind the header; nil if nothing, empty if it did not fit.
    func receive(room: Int = 70000) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0xee, count: room)
        let count = bytes.withUnsafeMutableBytes { bytes in
            let half = room / 3
            let segments = [
                iovec(iov_base: bytes.baseAddress, iov_len: half),
                iovec(iov_base: bytes.baseAddress.map { $0 + half }, iov_len: room - half),
            ]
            return segments.withUnsafeBufferPointer { stream.receive(into: $0, headerSize: 12) }
        }
        guard let count else { return nil }
        guard count <= room else {
            precondition(bytes.allSatisfy { $0 == 0xee })
            return []
        }
        precondition(bytes[..<12].allSatisfy { $0 == 0 } && bytes[count...].allSatisfy { $0 == 0xee })
        return Array(bytes[12..<count])
    }
}

private func framed(_ frame: [UInt8]) -> [UInt8] {
    withUnsafeBytes(of: UInt32(frame.count).bigEndian) { Array($0) } + frame
}

@Suite struct FrameStreamTests {
    private func frame(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func framesComeInAnyPieces(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let wire = Wire()
        let frames = (0..<30).map { _ in frame(Int.random(in: 14...1600, using: &random), &random) }
        var bytes = frames.flatMap(framed)[...]
        var got: [[UInt8]] = []
        while !bytes.isEmpty {
            let count = min(bytes.count, Int.random(in: 1...4000, using: &random))
            wire.peer.send(Array(bytes.prefix(count)))
            bytes.removeFirst(count)
            while let frame = wire.receive() { got.append(frame) }
        }
        #expect(got == frames && wire.stream.ending == nil)
    }

    @Test func theLongestFrameComesAndGoes() {
        var random = SeededGenerator(seed: 3)
        let (wire, long) = (Wire(), frame(65553, &random))
        #expect(wire.send(long, part: 65))
        #expect(wire.send(long, part: 65553))
        #expect(wire.peer.receive(2 * 65557) == framed(long) + framed(long))
        wire.peer.send(framed(long))
        #expect(wire.receive() == long)
    }

    @Test func aFrameWithoutRoomIsLostAlone() {
        let wire = Wire()
        wire.peer.send(framed([UInt8](repeating: 1, count: 100)) + framed([UInt8](repeating: 2, count: 50)))
        #expect(wire.receive(room: 111) == [])
        #expect(wire.receive(room: 111) == [UInt8](repeating: 2, count: 50))
    }

    /// A peer that does not read: what was taken comes in the end, whole and in order; the rest is not taken.
    @Test(arguments: 0..<6 as Range<UInt64>)
    func aSlowPeerGetsWholeFrames(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let wire = Wire()
        var taken: [UInt8] = []
        var refused = 0
        for _ in 0..<600 {
            let frame = frame(Int.random(in: 14...3000, using: &random), &random)
            if wire.send(frame) { taken += framed(frame) } else { refused += 1 }
        }
        #expect(refused > 0 && wire.stream.isFull)
        var got: [UInt8] = []
        while got.count < taken.count {
            let next = wire.peer.receive(min(10_000, taken.count - got.count))
            if next.isEmpty { break }
            got += next
            wire.stream.flush()
        }
        #expect(got == taken && !wire.stream.isFull)
    }

    @Test func aBatchIsBounded() {
        let wire = Wire()
        let frame = [UInt8](repeating: 1, count: 14)
        var count = 0
        while wire.send(frame, andFlush: false) { count += 1 }
        #expect(count == 512)
    }

    @Test(arguments: [0, 1, 13, 65554, 0x7fff_ffff, 0xffff_ffff] as [UInt32])
    func anImpossibleLengthEndsTheStream(length: UInt32) {
        let wire = Wire()
        wire.peer.send(withUnsafeBytes(of: length.bigEndian) { Array($0) } + [UInt8](repeating: 0, count: 100))
        #expect(wire.receive() == nil && wire.stream.ending == .impossibleLength(length))
        // Nothing comes or goes any more.
        wire.peer.send(framed([UInt8](repeating: 1, count: 64)))
        #expect(wire.receive() == nil)
        #expect(wire.send([UInt8](repeating: 1, count: 64)))
    }

    @Test func anEndInsideOfAFrameEndsTheStream() {
        var wire: Wire? = Wire()
        wire?.peer.send([0, 0, 0, 100, 1, 2, 3])
        #expect(wire?.receive() == nil && wire?.stream.ending == nil)
        shutdown(wire!.peer.raw, Int32(SHUT_WR))
        #expect(wire?.receive() == nil && wire?.stream.ending == .closed)
        wire = nil
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func anythingAPeerSendsIsAnswered(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let wire = Wire()
        for _ in 0..<50 {
            var bytes = framed(frame(Int.random(in: 14...300, using: &random), &random))
            if Int.random(in: 0..<4, using: &random) == 0 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Int.random(in: 0..<9, using: &random) == 0 { bytes.removeLast() }
            wire.peer.send(bytes)
            while let frame = wire.receive(room: Int.random(in: 12...400, using: &random)) {
                #expect(frame.isEmpty || FrameStream.frameSizes.contains(frame.count))
            }
            if wire.stream.ending != nil { break }
        }
    }
}
