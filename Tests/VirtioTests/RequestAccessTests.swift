import GuestMemory
import Testing

@testable import Virtio

/// A device reads and writes the same, wherever a driver parts its buffers.
@Suite struct RequestAccessTests {
    /// 12 bytes to read and 10 to write, parted in several ways.
    @Test(
        arguments: [
            ([12], [10]), ([1, 11], [9, 1]), ([4, 4, 4], [3, 3, 4]), (Array(repeating: 1, count: 12), [10]),
        ] as [([UInt32], [UInt32])])
    func partsDoNotMatter(_ readable: [UInt32], _ writable: [UInt32]) throws {
        let ring = try RawRing(size: 32)
        var index: UInt16 = 0
        var byte: UInt8 = 1
        var places: [UInt64] = []
        for (length, flags) in readable.map({ ($0, 0) }) + writable.map({ ($0, RawRing.write) }) {
            let address = 0x20000 + UInt64(index) * 0x1000
            let isLast = Int(index) + 1 == readable.count + writable.count
            ring.descriptor(index, address, length, flags | (isLast ? 0 : RawRing.next), next: index + 1)
            for offset in 0..<UInt64(length) {
                if flags == 0 {
                    ring.store(byte, at: address + offset)
                    byte += 1
                } else {
                    places.append(address + offset)
                }
            }
            index += 1
        }
        ring.available(0)
        var queue = try ring.queue()
        try queue.beginBatch()
        let request = try queue.popOne()

        var copy = [UInt8](repeating: 0, count: 20)
        for (offset, expected) in [
            (0, Array(1...12)), (5, Array(6...12)), (11, [12]), (12, []), (18_446_744_073_709_551_615, []),
        ] as [(UInt64, [UInt8])] {
            var span = copy.mutableSpan
            #expect(request.read(at: offset, into: &span) == expected.count)
            #expect(Array(copy.prefix(expected.count)) == expected)
        }
        #expect(request.load(UInt32.self, at: 0) == 0x0403_0201)
        #expect(request.load(UInt64.self, at: 4) == 0x0c0b_0a09_0807_0605)
        #expect(request.load(UInt16.self, at: 10) == 0x0c0b)
        #expect(request.load(UInt8.self, at: 11) == 12)
        #expect(request.load(UInt64.self, at: 5) == nil)
        #expect(request.load(UInt8.self, at: 12) == nil)
        #expect(request.load(UInt32.self, at: .max) == nil)

        let bytes: [UInt8] = Array(100..<120)
        #expect(request.write(bytes.span.extracting(0..<4), at: 0) == 4)
        #expect(request.write(bytes.span.extracting(4..<20), at: 4) == 6)
        #expect(request.write(bytes.span, at: 10) == 0)
        #expect(request.write(bytes.span, at: .max) == 0)
        #expect(places.map { ring.load($0) as UInt8 } == Array(100..<110))
        #expect(request.write([7 as UInt8].span, at: 9) == 1)
        #expect(ring.load(places[9]) as UInt8 == 7)
        queue.complete(request, written: 10)
    }

    @Test func aRequestWithoutAKindOfBuffer() throws {
        let ring = try RawRing()
        ring.descriptor(0, 0x20000, 4)
        ring.descriptor(1, 0x20000, 4, RawRing.write)
        ring.available(0, 1)
        var queue = try ring.queue()
        try queue.beginBatch()
        let readable = try queue.popOne()
        #expect(readable.write([1 as UInt8].span, at: 0) == 0)
        queue.complete(readable, written: 0)
        let writable = try queue.popOne()
        #expect(writable.load(UInt8.self, at: 0) == nil)
        queue.complete(writable, written: 0)
    }
}
