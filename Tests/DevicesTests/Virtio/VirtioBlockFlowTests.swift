import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Devices

/// Many requests at once, ending in any order, and what a reset makes of them.
@Suite struct VirtioBlockFlowTests {
    private static let size: UInt64 = 1 << 18

    /// Requests that do not touch each other's sectors, against an array.
    @Test(arguments: 0..<12 as Range<UInt64>)
    func aDiskIsAnArray(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let storage = MemoryStorage(byteCount: Self.size, isImmediate: seed % 3 == 0)
        let bench = try MMIOBench(VirtioBlock(storage: storage))
        let features = seed % 2 == 0 ? bench.offered : bench.offered.subtracting([.eventIndex, .indirectDescriptors])
        var driver = try BlockDriver(bench, features: features, seed: seed)
        var model = storage.bytes
        var expected: [UInt16: (number: UInt64, read: Range<Int>?)] = [:]
        var free = Array(0..<12 as Range<UInt64>)
        var finished = 0

        for _ in 0..<200 {
            while Bool.random(using: &random), let number = free.last {
                // Each number has sectors of its own: 40 of them.
                let first = number * 40 + UInt64.random(in: 0..<32, using: &random)
                let count = UInt32.random(in: 1...8, using: &random)
                let range = Int(first * 512)..<Int(first * 512) + Int(count) * 512
                let isWrite = Bool.random(using: &random)
                if isWrite {
                    let bytes = (0..<range.count).map { _ in UInt8.random(in: 0...255, using: &random) }
                    try bench.memory.write(bytes, at: driver.place(number))
                    model.replaceSubrange(range, with: bytes)
                }
                let parts = count == 1 ? [512] : [512, (count - 1) * 512]
                guard
                    let head = try driver.add(
                        number, type: isWrite ? 1 : 0, sector: first, readable: isWrite ? parts : [],
                        writable: isWrite ? [] : parts)
                else {
                    if isWrite { model.replaceSubrange(range, with: storage.bytes[range]) }
                    break
                }
                free.removeLast()
                expected[head] = (number, isWrite ? nil : range)
            }
            try driver.run()
            while Int.random(in: 0..<3, using: &random) > 0, storage.endOne(using: &random) {}
            bench.serve()
            for completion in try driver.driver.reap() {
                let known = expected.removeValue(forKey: completion.head)
                let request = try #require(known)
                #expect(try driver.status(request.number) == 0)
                if let range = request.read {
                    #expect(try bench.memory.read(range.count, at: driver.place(request.number)) == Array(model[range]))
                    #expect(Int(completion.written) == range.count + 1)
                }
                free.append(request.number)
                finished += 1
            }
        }
        while storage.endOne(using: &random) {}
        #expect(try driver.driver.reap().count == expected.count)
        #expect(storage.bytes == model)
        #expect(finished > 60 && bench.log.failures.isEmpty)
    }

    @Test func whatGoesThroughAQueueIsCounted() throws {
        let bench = try MMIOBench(VirtioBlock(storage: MemoryStorage(byteCount: Self.size)))
        var driver = try BlockDriver(bench)
        let counters = bench.transport.control.notifier.counters[0]
        for number in 0..<3 as Range<UInt64> { _ = try driver.add(number, type: 0, sector: number, writable: [512]) }
        _ = try driver.add(3, type: 1, sector: 4, readable: [1024])
        try driver.run()
        #expect(counters.requests.value == 4)
        // Data, and a byte of status each.
        #expect(counters.bytes.value == 4 + 3 * 512 + 1024)
        #expect(counters.notifications.value >= 1)
        #expect(counters.interrupts.value == UInt64(bench.interrupt.edges))
        // A reset takes nothing back.
        bench.setStatus([])
        #expect(counters.requests.value == 4)
    }

    private static func limited(
        _ storage: MemoryStorage, queueCount: Int = 1
    ) throws -> (MMIOBench<VirtioBlock>, RateLimiter, ManualTimer) {
        let timer = ManualTimer()
        let limiter = RateLimiter(
            bytes: .init(perSecond: 51_200, burst: 1024), operations: nil, timer: timer
        ) { timer.now }
        return (try MMIOBench(VirtioBlock(storage: storage, queueCount: queueCount, limiter: limiter)), limiter, timer)
    }

    @Test(arguments: [true, false])
    func aLimitedDiskGoesAtItsRate(usesEventIndex: Bool) throws {
        let storage = MemoryStorage(byteCount: Self.size)
        let (bench, limiter, timer) = try Self.limited(storage)
        let features = usesEventIndex ? bench.offered : bench.offered.subtracting(.eventIndex)
        var driver = try BlockDriver(bench, features: features)
        let start = timer.now
        for number in 0..<5 as Range<UInt64> { _ = try driver.add(number, type: 0, sector: number, writable: [512]) }
        try driver.run()
        #expect(storage.log.count == 2)
        // What a limit does not count waits behind what it does.
        _ = try driver.add(5, type: 8, sector: 0, writable: [20])
        try driver.run()
        #expect(try driver.driver.reap().count == 2)
        var count = 2
        while timer.expire() {
            limiter.timerExpired()
            bench.serve()
            count += 1
            #expect(storage.log.count == count)
            #expect(timer.now - start == UInt64(count - 2) * 10_000_000)
        }
        #expect(count == 5)
        #expect(try driver.driver.reap().count == 4)
        for number in 0..<6 as Range<UInt64> { #expect(try driver.status(number) == 0) }
        // The driver's notifications mean something again.
        _ = try driver.add(6, type: 4, sector: 0)
        try driver.run()
        #expect(try driver.driver.reap().count == 1 && bench.log.failures.isEmpty)
    }

    @Test func aResetForgetsWhatWaitsForItsTurn() throws {
        let storage = MemoryStorage(byteCount: Self.size, isImmediate: false)
        let (bench, limiter, timer) = try Self.limited(storage)
        var driver = try BlockDriver(bench)
        for number in 0..<4 as Range<UInt64> { _ = try driver.add(number, type: 0, sector: number, writable: [512]) }
        try driver.run()
        #expect(storage.pendingCount == 2)
        bench.setStatus([])
        #expect(storage.pendingCount == 0 && !timer.isSet)
        limiter.timerExpired()
        #expect(storage.log.count == 2)
        // A new life begins with an empty bucket.
        driver = try BlockDriver(bench)
        _ = try driver.add(0, type: 0, sector: 0, writable: [512])
        try driver.run()
        #expect(storage.pendingCount == 0)
        #expect(timer.expire())
        limiter.timerExpired()
        #expect(storage.pendingCount == 1)
    }

    @Test func aResetWaitsForWhatIsInFlight() throws {
        let storage = MemoryStorage(byteCount: Self.size, isImmediate: false)
        let bench = try MMIOBench(VirtioBlock(storage: storage))
        var driver = try BlockDriver(bench)
        for number in 0..<3 as Range<UInt64> { _ = try driver.add(number, type: 0, sector: number, writable: [512]) }
        try driver.run()
        #expect(storage.pendingCount == 3)
        bench.setStatus([])
        #expect(storage.pendingCount == 0 && bench.status == [])
        // Nothing of the old life is told to the new one.
        #expect(try driver.driver.reap().isEmpty && bench.read(.interruptStatus) == 0)
        try bench.memory.fill(0x1_0000, count: 0x1_0000, with: 0)
        driver = try BlockDriver(bench)
        _ = try driver.add(0, type: 0, sector: 5, writable: [512])
        try driver.run()
        storage.endOne(using: &driver.random)
        #expect(try driver.driver.reap().map(\.written) == [513])
        #expect(try bench.memory.read(512, at: driver.place(0)) == Array(storage.bytes[2560..<3072]))
    }

    @Test func powerOffWaitsToo() throws {
        let storage = MemoryStorage(byteCount: Self.size, isImmediate: false)
        let bench = try MMIOBench(VirtioBlock(storage: storage))
        var driver = try BlockDriver(bench)
        _ = try driver.add(0, type: 1, sector: 0, readable: [512])
        try driver.run()
        bench.transport.powerOff()
        #expect(storage.pendingCount == 0)
    }

    @Test func queuesGoTheirOwnWays() throws {
        let storage = MemoryStorage(byteCount: Self.size, isImmediate: false)
        let bench = try MMIOBench(VirtioBlock(storage: storage, queueCount: 3))
        var second = try BlockDriver(bench, queue: 2)
        _ = try second.add(0, type: 0, sector: 1, writable: [512])
        try second.run()
        var random = SeededGenerator(seed: 1)
        storage.endOne(using: &random)
        #expect(try second.driver.reap().map(\.written) == [513])
    }

    /// What a broken driver had in flight can still end; nothing new begins.
    @Test func aBrokenDeviceFinishesWhatItBegan() throws {
        let storage = MemoryStorage(byteCount: Self.size, isImmediate: false)
        let bench = try MMIOBench(VirtioBlock(storage: storage))
        var driver = try BlockDriver(bench)
        _ = try driver.add(0, type: 0, sector: 1, writable: [512])
        try driver.run()
        _ = try driver.driver.add([.init(address: 0xd000_0000, length: 16, isWritable: false)], using: &driver.random)
        try driver.run()
        #expect(bench.status.contains(.needsReset))
        storage.endOne(using: &driver.random)
        _ = try driver.add(1, type: 0, sector: 1, writable: [512])
        try driver.run()
        #expect(storage.log.count == 1)
        bench.setStatus([])
        #expect(bench.status == [])
    }
}
