import GuestMemory
import Testing

@testable import Virtio

@Suite struct VirtqueueTests {
    @Test func anEmptyQueueGivesNothing() throws {
        var queue = try RawRing().queue()
        #expect(try queue.beginBatch() == 0)
        let isEmpty = try queue.pop() == nil
        #expect(isEmpty)
        #expect(queue.publish() == false)
        #expect(queue.enableNotifications() == false)
    }

    @Test func aRequestIsItsBuffersInOrder() throws {
        let ring = try RawRing()
        ring.descriptor(3, 0x20000, 16, RawRing.next, next: 0)
        ring.descriptor(0, 0x30000, 512, RawRing.next | RawRing.write, next: 7)
        ring.descriptor(7, 0x40000, 1, RawRing.write, next: 3)
        ring.available(3)
        var queue = try ring.queue()
        try queue.beginBatch()
        let request = try queue.popOne()
        #expect(request.head == 3)
        #expect(request.readableCount == 1 && request.readableBytes == 16)
        #expect(request.writableCount == 2 && request.writableBytes == 513)
        let base = try ring.memory.hostPointer(0, 1)
        #expect(request.readableBuffers.segments.map { $0.iov_base } == [base + 0x20000])
        #expect(request.readableBuffers.segments.map { $0.iov_len } == [16])
        #expect(request.writableBuffers.segments.map { $0.iov_base } == [base + 0x30000, base + 0x40000])
        #expect(request.writableBuffers.segments.map { $0.iov_len } == [512, 1])
        #expect(queue.inFlightCount == 1)
        queue.complete(request, written: 513)
        #expect(queue.inFlightCount == 0)
        #expect(ring.usedIndex == 0)
        #expect(queue.publish() == true)
        #expect(ring.usedIndex == 1)
        #expect(ring.usedEntry(0) == [3, 513])
        // Its descriptors are free again.
        ring.available(3, 3)
        #expect(try queue.beginBatch() == 1)
        let again = try queue.pop()?.head == 3
        #expect(again)
    }

    /// The device goes by what it read, whatever becomes of the table meanwhile.
    @Test func aTableThatChangesLaterChangesNothing() throws {
        let ring = try RawRing()
        ring.descriptor(0, 0x20000, 16, RawRing.next, next: 1)
        ring.descriptor(1, 0x30000, 16, RawRing.write)
        ring.available(0)
        var queue = try ring.queue()
        try queue.beginBatch()
        let request = try queue.popOne()
        for index in 0..<8 as Range<UInt16> { ring.descriptor(index, .max, .max, .max, next: .max) }
        #expect(request.writableBytes == 16)
        queue.complete(request, written: 16)
        #expect(queue.publish() == true)
        ring.descriptor(0, 0x20000, 16)
        ring.descriptor(1, 0x30000, 16)
        ring.available(0, 0, 1)
        #expect(try queue.beginBatch() == 2)
        let (first, second) = (try queue.pop()?.head, try queue.pop()?.head)
        #expect(first == 0 && second == 1)
    }

    /// One look at the index a batch: what comes later waits for the next.
    @Test func aBatchDoesNotGrow() throws {
        let ring = try RawRing()
        for index in 0..<8 as Range<UInt16> { ring.descriptor(index, 0x20000, 16, RawRing.write) }
        ring.available(0, 1)
        var queue = try ring.queue()
        #expect(try queue.beginBatch() == 2)
        ring.available(0, 1, 2, 3)
        for _ in 0..<2 {
            let request = try queue.popOne()
            queue.complete(request, written: 0)
        }
        let isOver = try queue.pop() == nil
        #expect(isOver)
        #expect(queue.enableNotifications() == true)
        #expect(try queue.beginBatch() == 2)
    }

    @Test func requestsAreCompletedInAnyOrder() throws {
        let ring = try RawRing(size: 4)
        for index in 0..<4 as Range<UInt16> { ring.descriptor(index, 0x20000, 16, RawRing.write) }
        ring.available(2, 0, 3, 1)
        var queue = try ring.queue()
        try queue.beginBatch()
        var parked: [ParkedRequest] = []
        while let request = try queue.pop() { parked.append(queue.park(request)) }
        #expect(parked.map(\.head) == [2, 0, 3, 1])
        for (position, index) in [3, 0, 2, 1].enumerated() {
            let request = try queue.unparkOne(parked[index])
            queue.complete(request, written: UInt32(position))
            let isGone = queue.unpark(parked[index]) == nil
            #expect(isGone)
        }
        #expect(ring.usedIndex == 0)
        #expect(queue.publish() == true)
        #expect(ring.usedIndex == 4)
        #expect((0..<4).map(ring.usedEntry) == [[1, 0], [2, 1], [3, 2], [0, 3]])
        let unknown = queue.unpark(ParkedRequest(head: 9)) == nil
        #expect(unknown)
    }

    @Test func parkedRequestsKeepTheirSegments() throws {
        let ring = try RawRing(size: 64)
        for index in 0..<64 as Range<UInt16> {
            // 3 chains of 20.
            let hasNext = index % 20 != 19
            ring.descriptor(
                index, 0x20000 + UInt64(index) * 256, UInt32(index) + 1, hasNext ? RawRing.next : 0, next: index + 1)
        }
        ring.available(0, 20, 40)
        var queue = try ring.queue()
        try queue.beginBatch()
        var parked: [ParkedRequest] = []
        while let request = try queue.pop() { parked.append(queue.park(request)) }
        #expect(queue.segmentBlockCount == 3)
        for (chain, ticket) in parked.enumerated() {
            let request = try queue.unparkOne(ticket)
            #expect(request.readableBuffers.segments.map { $0.iov_len } == (1...20).map { chain * 20 + $0 })
            queue.complete(request, written: 0)
        }
        // The same blocks serve what comes next.
        ring.available(0, 20, 40, 0, 20, 40)
        try queue.beginBatch()
        while let request = try queue.pop() { _ = queue.park(request) }
        #expect(queue.segmentBlockCount == 3)
    }

    @Test func indicesWrap() throws {
        var ring = try RawRing(size: 8)
        ring.state.nextAvailable = 0xfffc
        ring.state.nextUsed = 0xfffc
        for index in 0..<8 as Range<UInt16> {
            ring.descriptor(index, 0x20000, 16, RawRing.write)
            ring.store(index, at: 0x5004 + 2 * UInt64(index))
        }
        ring.store(4 as UInt16, at: 0x5002)
        var queue = try ring.queue()
        #expect(try queue.beginBatch() == 8)
        var heads: [UInt16] = []
        while let request = try queue.pop() {
            heads.append(request.head)
            queue.complete(request, written: 1)
        }
        #expect(heads == [4, 5, 6, 7, 0, 1, 2, 3])
        #expect(queue.publish() == true)
        #expect(ring.usedIndex == 4)
    }

    @Test func flagsSuppressNotificationsBothWays() throws {
        let ring = try RawRing()
        for index in 0..<8 as Range<UInt16> { ring.descriptor(index, 0x20000, 16, RawRing.write) }
        var queue = try ring.queue()
        queue.disableNotifications()
        #expect(ring.usedFlags == 1)
        #expect(queue.enableNotifications() == false)
        #expect(ring.usedFlags == 0)

        ring.available(0, 1)
        for (flags, isWanted) in [(1, false), (0, true)] as [(UInt16, Bool)] {
            ring.setAvailableFlags(flags)
            try queue.beginBatch()
            let request = try queue.popOne()
            queue.complete(request, written: 0)
            #expect(queue.publish() == isWanted)
            #expect(queue.publish() == false)
        }
    }

    /// 2.7.10: after `count` completions from index `start`, is there an interrupt if the driver waits for `event`?
    @Test(
        arguments: [
            (0, 1, 0, true), (0, 1, 1, false), (0, 3, 2, true), (0, 3, 3, false), (2, 1, 1, false), (2, 4, 5, true),
            (0xfffe, 4, 1, true), (0xfffe, 4, 2, false), (0xfffe, 1, 0xffff, false), (0xfffe, 2, 0xffff, true),
            (7, 1, 0x8007, false),
        ] as [(UInt16, UInt16, UInt16, Bool)])
    func eventIndexForInterrupts(_ start: UInt16, _ count: UInt16, _ event: UInt16, _ isWanted: Bool) throws {
        var ring = try RawRing(eventIndex: true)
        ring.state.nextAvailable = start
        ring.state.nextUsed = start
        for index in 0..<8 as Range<UInt16> {
            ring.descriptor(index, 0x20000, 16, RawRing.write)
            ring.store(index, at: 0x5004 + 2 * UInt64(index))
        }
        ring.store(start &+ count, at: 0x5002)
        ring.setUsedEvent(event)
        // Without meaning here.
        ring.setAvailableFlags(1)
        var queue = try ring.queue()
        try queue.beginBatch()
        while let request = try queue.pop() { queue.complete(request, written: 0) }
        #expect(queue.publish() == isWanted)
    }

    @Test func eventIndexForNotifications() throws {
        let ring = try RawRing(eventIndex: true)
        for index in 0..<8 as Range<UInt16> { ring.descriptor(index, 0x20000, 16, RawRing.write) }
        var queue = try ring.queue()
        queue.disableNotifications()
        #expect(ring.usedFlags == 0 && ring.availableEvent == 0)
        ring.available(0, 1, 2)
        try queue.beginBatch()
        while let request = try queue.pop() { queue.complete(request, written: 0) }
        #expect(ring.availableEvent == 0)
        #expect(queue.enableNotifications() == false)
        #expect(ring.availableEvent == 3)
        ring.available(0, 1, 2, 3)
        #expect(queue.enableNotifications() == true)
    }
}
