import GuestMemory
import Testing

@testable import Virtio

@Suite struct QueueSetupTests {
    typealias Change = @Sendable (inout VirtqueueState) -> Void

    static let sound = VirtqueueState(size: 8, descriptorTable: 0x1000, availableRing: 0x2000, usedRing: 0x3000)

    static let faults: [(Change, VirtqueueError)] = [
        ({ $0.size = 0 }, .invalidSize(0)),
        ({ $0.size = 3 }, .invalidSize(3)),
        ({ $0.size = 0xffff }, .invalidSize(0xffff)),
        ({ $0.descriptorTable = 0x1008 }, .areaMisaligned(.descriptorTable, address: 0x1008, alignment: 16)),
        ({ $0.availableRing = 0x2001 }, .areaMisaligned(.availableRing, address: 0x2001, alignment: 2)),
        ({ $0.usedRing = 0x3002 }, .areaMisaligned(.usedRing, address: 0x3002, alignment: 4)),
        ({ $0.descriptorTable = 0xfff90 }, .areaOutsideRAM(.descriptorTable, address: 0xfff90, byteCount: 128)),
        ({ $0.availableRing = 0xfffec }, .areaOutsideRAM(.availableRing, address: 0xfffec, byteCount: 22)),
        ({ $0.usedRing = 0xfffbc }, .areaOutsideRAM(.usedRing, address: 0xfffbc, byteCount: 70)),
        ({ $0.usedRing = 0xfee0_0000 }, .areaOutsideRAM(.usedRing, address: 0xfee0_0000, byteCount: 70)),
        (
            { $0.descriptorTable = 0xffff_ffff_ffff_fff0 },
            .areaOutsideRAM(.descriptorTable, address: 0xffff_ffff_ffff_fff0, byteCount: 128)
        ),
        (
            { $0.availableRing = 0xffff_ffff_ffff_fffe },
            .areaOutsideRAM(.availableRing, address: 0xffff_ffff_ffff_fffe, byteCount: 22)
        ),
        ({ $0.availableRing = 0x107e }, .areasOverlap(.descriptorTable, .availableRing)),
        ({ $0.usedRing = 0x0fbc }, .areasOverlap(.descriptorTable, .usedRing)),
        ({ $0.usedRing = 0x2014 }, .areasOverlap(.availableRing, .usedRing)),
        ({ $0.usedRing = 0x1000 }, .areasOverlap(.descriptorTable, .usedRing)),
        ({ $0.nextUsed = 1 }, .inconsistentPositions(available: 0, used: 1)),
    ]

    @Test(arguments: faults.indices)
    func faultyAreasAreRefused(_ index: Int) throws {
        let memory = try GuestMemory(size: 1 << 20)
        var state = Self.sound
        Self.faults[index].0(&state)
        let expected = Self.faults[index].1
        #expect(throws: expected) { try state.validate(in: memory) }
        #expect(throws: expected) { _ = try Virtqueue(state, memory: memory) }
        #expect(!expected.description.contains("\n"))
    }

    /// As close together and to the end of RAM as they may be.
    @Test(arguments: [
        VirtqueueState(size: 8, descriptorTable: 0x1000, availableRing: 0x1080, usedRing: 0x1098),
        VirtqueueState(size: 8, descriptorTable: 0xfff80, availableRing: 0x0, usedRing: 0x18),
        VirtqueueState(size: 8, descriptorTable: 0x1000, availableRing: 0xfffea, usedRing: 0xfff00),
        VirtqueueState(size: 1, descriptorTable: 0x0, availableRing: 0x10, usedRing: 0x18),
    ])
    func tightAreasAreFine(_ state: VirtqueueState) throws {
        try state.validate(in: GuestMemory(size: 1 << 20))
    }

    @Test func theLargestQueue() throws {
        let memory = try GuestMemory(size: 4 << 20)
        let state = VirtqueueState(
            size: 32768, descriptorTable: 0, availableRing: 0x10_0000, usedRing: 0x20_0000)
        var queue = try Virtqueue(state, memory: memory)
        try memory.store(32768 as UInt16, at: 0x10_0002)
        // Every descriptor is the same buffer, and every head stands once in the ring.
        for index in 0..<32768 as Range<UInt64> {
            try memory.store(0x3f_0000 as UInt64, at: GuestAddress(16 * index))
            try memory.store(1 | 2 << 32 as UInt64, at: GuestAddress(16 * index + 8))
            try memory.store(UInt16(index), at: GuestAddress(0x10_0004 + 2 * index))
        }
        #expect(try queue.beginBatch() == 32768)
        var count = 0
        while let request = try queue.pop() {
            queue.complete(request, written: 1)
            count += 1
        }
        #expect(count == 32768)
        #expect(queue.publish() == true)
        #expect(try memory.load(UInt16.self, at: 0x20_0002) == 32768)
    }

    @Test func aSavedQueueGoesOnWhereItWas() throws {
        var ring = try RawRing(size: 4, eventIndex: true)
        ring.state.nextAvailable = 0xffff
        ring.state.nextUsed = 0xffff
        ring.descriptor(2, 0x20000, 16, RawRing.write)
        ring.store(2 as UInt16, at: 0x5004 + 2 * 3)
        ring.store(0 as UInt16, at: 0x5002)
        var queue = try ring.queue()
        #expect(queue.state == ring.state)
        #expect(try queue.beginBatch() == 1)
        let request = try queue.popOne()
        #expect(request.head == 2)
        #expect(queue.state == nil)
        queue.complete(request, written: 16)
        #expect(queue.state == nil)
        _ = queue.publish()
        let state = queue.state
        let saved = try #require(state)
        #expect(saved.nextAvailable == 0 && saved.nextUsed == 0)
        #expect(ring.usedIndex == 0 && ring.usedEntry(3) == [2, 16])
    }
}
