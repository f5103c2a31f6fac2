import Dispatch
import Glibc
import GuestMemory
import Testing

@Suite struct OrderedAccessTests {
    @Test func valuesAreThoseOfPlainAccesses() throws {
        let memory = try GuestMemory(size: 4096)
        try memory.storeRelease(0xbeef as UInt16, at: 2)
        #expect(try memory.load(UInt32.self, at: 0) == 0xbeef_0000)
        #expect(try memory.loadAcquire16(at: 2) == 0xbeef)
        #expect(try memory.loadAcquire32(at: 0) == 0xbeef_0000)
        try memory.storeRelease(0x0102_0304 as UInt32, at: 4092)
        #expect(try memory.read(4, at: 4092) == [4, 3, 2, 1])
    }

    @Test(arguments: [1, 3, 4095, 3 * gibibyte - 1, 4 * gibibyte + 1, .max] as [UInt64])
    func oddAddressesAreRefused(_ address: UInt64) throws {
        let memory = try GuestMemory(size: fourGibibytes)
        let address = GuestAddress(address)
        let halfword = GuestMemoryError.misaligned(address: address, alignment: 2)
        let word = GuestMemoryError.misaligned(address: address, alignment: 4)
        #expect(throws: halfword) { try memory.loadAcquire16(at: address) }
        #expect(throws: halfword) { try memory.storeRelease(1 as UInt16, at: address) }
        #expect(throws: word) { try memory.loadAcquire32(at: address) }
        #expect(throws: word) { try memory.storeRelease(1 as UInt32, at: address) }
    }

    @Test func aWordHasToBeAlignedToItsSize() throws {
        let memory = try GuestMemory(size: 4096)
        _ = try memory.loadAcquire16(at: 2)
        #expect(throws: GuestMemoryError.misaligned(address: 2, alignment: 4)) { try memory.loadAcquire32(at: 2) }
    }

    @Test(arguments: [4096, 3 * gibibyte, 4 * gibibyte - 4, 5 * gibibyte, .max - 3] as [UInt64])
    func outsideOfMemoryIsRefused(_ address: UInt64) throws {
        let memory = try GuestMemory(size: address == 4096 ? 4096 : fourGibibytes)
        let address = GuestAddress(address)
        #expect(throws: GuestMemoryError.notInRAM(address: address, count: 2)) {
            try memory.loadAcquire16(at: address)
        }
        #expect(throws: GuestMemoryError.notInRAM(address: address, count: 4)) {
            try memory.storeRelease(0 as UInt32, at: address)
        }
    }

    /// A ring of 16 entries between two threads, with nothing but its indices to order them.
    @Test(.timeLimit(.minutes(1)))
    func whatIsWrittenBeforeAReleaseIsSeenAfterTheAcquire() throws {
        let memory = try GuestMemory(size: 4096)
        let produced: GuestAddress = 0
        let consumed: GuestAddress = 2
        let rounds: UInt16 = 20_000
        let wrong = WrongEntries()
        DispatchQueue.concurrentPerform(iterations: 2) { side in
            var index: UInt16 = 0
            while index < rounds {
                let slot = GuestAddress(64 + UInt64(index % 16) * 8)
                if side == 0 {
                    guard let tail = try? memory.loadAcquire16(at: consumed), index &- tail < 16 else {
                        sched_yield()
                        continue
                    }
                    try? memory.store(UInt64(index) &* 0x0001_0001_0001_0001, at: slot)
                    try? memory.storeRelease(index &+ 1, at: produced)
                } else {
                    guard let head = try? memory.loadAcquire16(at: produced), head != index else {
                        sched_yield()
                        continue
                    }
                    let entry: UInt64? = try? memory.load(at: slot)
                    if entry != UInt64(index) &* 0x0001_0001_0001_0001 { wrong.count += 1 }
                    try? memory.storeRelease(index &+ 1, at: consumed)
                }
                index += 1
            }
        }
        #expect(wrong.count == 0)
        #expect(try memory.loadAcquire16(at: consumed) == rounds)
    }

    // Written by one thread, read when it is over.
    private final class WrongEntries: @unchecked Sendable {
        var count = 0
    }
}
