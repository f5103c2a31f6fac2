import GuestMemory
import Testing

@testable import Virtio

/// Every way to write a ring wrongly: the error says which, nothing is completed, and the queue stays silent.
@Suite struct MalformedRingTests {
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var indirect = true
        let write: @Sendable (RawRing) -> Void
        let error: VirtqueueError

        init(
            _ testDescription: String, indirect: Bool = true, _ error: VirtqueueError,
            _ write: @escaping @Sendable (RawRing) -> Void
        ) {
            self.testDescription = testDescription
            self.indirect = indirect
            self.write = write
            self.error = error
        }
    }

    private static let next = RawRing.next
    private static let write = RawRing.write
    private static let indirect = RawRing.indirect
    private static let table: UInt64 = 0x20000

    /// A queue of 8 in 1 MiB.
    static let faults: [Fault] = [
        Fault("index jump", .indexJump(from: 0, to: 9, size: 8)) { $0.available(index: 9) },
        Fault("index backwards", .indexJump(from: 0, to: 0xffff, size: 8)) { $0.available(index: 0xffff) },
        Fault("head beyond the table", .noSuchDescriptor(index: 8, count: 8, head: 8)) { $0.available(8) },
        Fault("largest head", .noSuchDescriptor(index: 0xffff, count: 8, head: 0xffff)) { $0.available(0xffff) },
        Fault("next beyond the table", .noSuchDescriptor(index: 8, count: 8, head: 0)) {
            $0.descriptor(0, 0x10000, 4, next, next: 8)
            $0.available(0)
        },
        Fault("own successor", .loop(index: 3, head: 3)) {
            $0.descriptor(3, 0x10000, 4, next, next: 3)
            $0.available(3)
        },
        Fault("loop into the middle", .loop(index: 1, head: 0)) {
            $0.descriptor(0, 0x10000, 4, next, next: 1)
            $0.descriptor(1, 0x10000, 4, next, next: 2)
            $0.descriptor(2, 0x10000, 4, next, next: 1)
            $0.available(0)
        },
        Fault("loop of all descriptors", .loop(index: 0, head: 0)) { ring in
            for index in 0..<8 as Range<UInt16> { ring.descriptor(index, 0x10000, 4, next, next: (index + 1) % 8) }
            ring.available(0)
        },
        Fault("the same head twice", .headInFlight(5)) {
            $0.descriptor(5, 0x10000, 4)
            $0.available(5, 5)
        },
        Fault("two chains that meet", .descriptorInFlight(index: 2, head: 1)) {
            $0.descriptor(0, 0x10000, 4, next, next: 2)
            $0.descriptor(1, 0x10000, 4, next, next: 2)
            $0.descriptor(2, 0x10000, 4)
            $0.available(0, 1)
        },
        Fault("a chain's middle as a head", .headInFlight(2)) {
            $0.descriptor(0, 0x10000, 4, next, next: 2)
            $0.descriptor(2, 0x10000, 4)
            $0.available(0, 2)
        },
        Fault("no bytes to read", .emptyBuffer(index: 0, head: 0)) {
            $0.descriptor(0, 0x10000, 0)
            $0.available(0)
        },
        Fault("no bytes to write", .emptyBuffer(index: 4, head: 0)) {
            $0.descriptor(0, 0x10000, 1, next, next: 4)
            $0.descriptor(4, 0x10000, 0, write)
            $0.available(0)
        },
        Fault("readable after writable", .readableAfterWritable(index: 1, head: 0)) {
            $0.descriptor(0, 0x10000, 4, next | write, next: 1)
            $0.descriptor(1, 0x10000, 4)
            $0.available(0)
        },
        Fault("past the end", .bufferOutsideRAM(address: 0xfffff, length: 2, head: 0)) {
            $0.descriptor(0, 0xfffff, 2)
            $0.available(0)
        },
        Fault("just past the end", .bufferOutsideRAM(address: 0x100000, length: 1, head: 0)) {
            $0.descriptor(0, 0x100000, 1)
            $0.available(0)
        },
        Fault("the whole address space", .bufferOutsideRAM(address: 0, length: .max, head: 0)) {
            $0.descriptor(0, 0, .max)
            $0.available(0)
        },
        Fault("a device's window", .bufferOutsideRAM(address: 0xd000_0000, length: 4, head: 0)) {
            $0.descriptor(0, 0xd000_0000, 4, write)
            $0.available(0)
        },
        Fault("wraps past 2^64", .bufferOutsideRAM(address: GuestAddress(.max), length: 2, head: 0)) {
            $0.descriptor(0, .max, 2, write)
            $0.available(0)
        },
        Fault("wraps to 0 exactly", .bufferOutsideRAM(address: GuestAddress(.max - 15), length: 16, head: 0)) {
            $0.descriptor(0, .max - 15, 16)
            $0.available(0)
        },
        Fault("indirect, not negotiated", indirect: false, .indirectNotNegotiated(index: 0, head: 0)) {
            $0.descriptor(0, table, 16, indirect)
            $0.available(0)
        },
        Fault("indirect with next", .indirectWithNext(index: 0, head: 0)) {
            $0.descriptor(0, table, 16, indirect | next, next: 1)
            $0.available(0)
        },
        Fault("empty indirect table", .invalidIndirectLength(0, head: 0)) {
            $0.descriptor(0, table, 0, indirect)
            $0.available(0)
        },
        Fault("part of an indirect entry", .invalidIndirectLength(17, head: 0)) {
            $0.descriptor(0, table, 17, indirect)
            $0.available(0)
        },
        Fault("indirect table past the end", .indirectOutsideRAM(address: 0xffff8, length: 16, head: 0)) {
            $0.descriptor(0, 0xffff8, 16, indirect)
            $0.available(0)
        },
        Fault("indirect table of a device", .indirectOutsideRAM(address: 0xfee0_0000, length: 16, head: 0)) {
            $0.descriptor(0, 0xfee0_0000, 16, indirect)
            $0.available(0)
        },
        Fault("indirect table wraps", .indirectOutsideRAM(address: GuestAddress(.max - 7), length: 16, head: 0)) {
            $0.descriptor(0, .max - 7, 16, indirect)
            $0.available(0)
        },
        Fault("nested indirect", .nestedIndirect(index: 1, head: 0)) {
            $0.descriptor(0, table, 32, indirect)
            $0.descriptor(0, 0x10000, 4, next, next: 1, table: table)
            $0.descriptor(1, table, 16, indirect, table: table)
            $0.available(0)
        },
        Fault("next beyond the indirect table", .noSuchDescriptor(index: 2, count: 2, head: 0)) {
            $0.descriptor(0, table, 32, indirect)
            $0.descriptor(0, 0x10000, 4, next, next: 2, table: table)
            $0.available(0)
        },
        Fault("loop in an indirect table", .loop(index: 0, head: 0)) {
            $0.descriptor(0, table, 32, indirect)
            $0.descriptor(0, 0x10000, 4, next, next: 1, table: table)
            $0.descriptor(1, 0x10000, 4, next, next: 0, table: table)
            $0.available(0)
        },
        Fault("more indirect buffers than entries", .tooManyDescriptors(limit: 8, head: 0)) { ring in
            ring.descriptor(0, table, 16 * 9, indirect)
            for index in 0..<9 as Range<UInt16> {
                ring.descriptor(index, 0x10000, 4, index < 8 ? next : 0, next: index + 1, table: table)
            }
            ring.available(0)
        },
        Fault("direct and indirect buffers together too many", .tooManyDescriptors(limit: 8, head: 0)) { ring in
            ring.descriptor(0, 0x10000, 4, next, next: 1)
            ring.descriptor(1, table, 16 * 8, indirect)
            for index in 0..<8 as Range<UInt16> {
                ring.descriptor(index, 0x10000, 4, index < 7 ? next : 0, next: index + 1, table: table)
            }
            ring.available(0)
        },
        Fault("disorder across an indirect table", .readableAfterWritable(index: 0, head: 0)) {
            $0.descriptor(0, 0x10000, 4, next | write, next: 1)
            $0.descriptor(1, table, 16, indirect)
            $0.descriptor(0, 0x10000, 4, table: table)
            $0.available(0)
        },
        Fault("empty buffer in an indirect table", .emptyBuffer(index: 0, head: 0)) {
            $0.descriptor(0, table, 16, indirect)
            $0.descriptor(0, 0x10000, 0, table: table)
            $0.available(0)
        },
        Fault("indirect buffer outside", .bufferOutsideRAM(address: 0xfffff, length: 2, head: 0)) {
            $0.descriptor(0, table, 16, indirect)
            $0.descriptor(0, 0xfffff, 2, table: table)
            $0.available(0)
        },
    ]

    /// Takes requests until the error that has to come.
    private func fault(of queue: inout Virtqueue) -> VirtqueueError? {
        do throws(VirtqueueError) {
            try queue.beginBatch()
            while let request = try queue.pop() { _ = queue.park(request) }
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: faults)
    func isAnError(_ fault: Fault) throws {
        let ring = try RawRing(indirect: fault.indirect)
        fault.write(ring)
        var queue = try ring.queue()
        #expect(self.fault(of: &queue) == fault.error)
        #expect(!fault.error.description.contains("\n"))

        // The queue gives nothing more, not even what is sound.
        #expect(queue.isBroken == true)
        ring.descriptor(7, 0x10000, 4)
        ring.available(7, 7, 7)
        #expect(try queue.beginBatch() == 0)
        let more = try queue.pop() == nil
        #expect(more)
        #expect(queue.enableNotifications() == false)
        #expect(queue.publish() == false)
        #expect(ring.usedIndex == 0)
    }

    /// The same fault in front of RAM on both sides of the hole: neither side leaks into it.
    @Test func buffersInTheHole() throws {
        for (address, length) in [(0xbfff_ffff, 2), (0xc000_0000, 1), (0xffff_ffff, 1), (0xffff_ffff, 2)]
            as [(UInt64, UInt32)]
        {
            let ring = try RawRing(memorySize: 4 << 30)
            ring.descriptor(0, address, length, RawRing.write)
            ring.available(0)
            var queue = try ring.queue()
            #expect(
                fault(of: &queue)
                    == .bufferOutsideRAM(address: GuestAddress(address), length: length, head: 0))
        }
    }

    /// 2^32 bytes are the most a chain may have (2.7.5.2), and they may be the same bytes again.
    @Test(arguments: [false, true])
    func totalLength(_ isOneTooMany: Bool) throws {
        let ring = try RawRing(memorySize: 4 << 30)
        ring.descriptor(0, 0, 0x8000_0000, RawRing.next, next: 1)
        ring.descriptor(1, 0, 0x4000_0000, RawRing.next | RawRing.write, next: 2)
        ring.descriptor(2, 0, 0x4000_0000, RawRing.write | (isOneTooMany ? RawRing.next : 0), next: 3)
        ring.descriptor(3, 0, 1, RawRing.write)
        ring.available(0)
        var queue = try ring.queue()
        try queue.beginBatch()
        if isOneTooMany {
            #expect(throws: VirtqueueError.tooManyBytes(1 << 32 + 1, head: 0)) { _ = try queue.popOne() }
        } else {
            let request = try queue.popOne()
            #expect(request.readableBytes + request.writableBytes == 1 << 32)
            queue.complete(request, written: 0x8000_0000)
        }
    }

    /// What was taken before the fault can still be completed, and the driver sees it.
    @Test func requestsInFlightSurviveAFault() throws {
        let ring = try RawRing()
        ring.descriptor(0, 0x10000, 4, RawRing.write)
        ring.descriptor(1, 0x10000, 0)
        ring.available(0, 1)
        var queue = try ring.queue()
        try queue.beginBatch()
        let request = try queue.popOne()
        #expect(throws: VirtqueueError.emptyBuffer(index: 0 + 1, head: 1)) { _ = try queue.popOne() }
        queue.complete(request, written: 4)
        #expect(queue.publish() == true)
        #expect(ring.usedIndex == 1 && ring.usedEntry(0) == [0, 4])
    }

    @Test func descriptionsTellWhy() {
        #expect(
            VirtqueueError.bufferOutsideRAM(address: GuestAddress(.max), length: 2, head: 3).description
                == "a buffer of the chain at 3, 2 bytes at 0xffffffffffffffff, wraps past 2^64")
        #expect(
            VirtqueueError.bufferOutsideRAM(address: 0xd000_0000, length: 2, head: 3).description
                == "a buffer of the chain at 3, 2 bytes at 0xd0000000, is not in RAM")
        #expect(
            VirtqueueError.indexJump(from: 65535, to: 300, size: 256).description
                == "the available index went from 65535 to 300, in a queue of 256")
    }
}
