import GuestMemory
import Synchronization
import TestSupport
import Testing
import Virtio

@testable import Devices

@Suite struct VirtioBalloonTests {
    private static let page: UInt64 = 4096
    private static let kind: VirtioFeatures = [
        .balloonStatistics, .balloonDeflateOnOutOfMemory, .balloonPagePoison, .balloonPageReporting,
    ]
    private static let all = VirtioFeatures.common.union(kind)
    private var random = SeededGenerator(seed: 1)

    private func bench(target: UInt32 = 0) throws -> MMIOBench<VirtioBalloon> {
        try MMIOBench(VirtioBalloon(target: target), memorySize: 8 << 20)
    }

    /// Marks pages, so that it shows which of them were given back.
    private func mark(_ bench: MMIOBench<VirtioBalloon>, _ pages: some Sequence<UInt64>) throws {
        for page in pages { try bench.memory.store(0xaa as UInt8, at: GuestAddress(page * Self.page)) }
    }

    private func isMarked(_ bench: MMIOBench<VirtioBalloon>, _ page: UInt64) throws -> Bool {
        try bench.memory.load(UInt8.self, at: GuestAddress(page * Self.page)) == 0xaa
    }

    /// A request with page frames, parted into buffers of the given bytes.
    private mutating func send(
        _ frames: [UInt32], in parts: [UInt32]? = nil, by driver: inout DriverModel,
        queue: UInt32, on bench: MMIOBench<VirtioBalloon>
    ) throws -> [UInt32] {
        let bytes = frames.flatMap { frame in (0..<4).map { UInt8(truncatingIfNeeded: frame >> ($0 * 8)) } }
        try bench.memory.write(bytes, at: 0x8_0000)
        var place: UInt64 = 0x8_0000
        let buffers = (parts ?? [UInt32(bytes.count)]).map { length in
            defer { place += UInt64(length) }
            return DriverModel.Buffer(address: GuestAddress(place), length: length, isWritable: false)
        }
        _ = try driver.add(buffers, using: &random)
        try bench.run(&driver, queue: queue)
        return try driver.reap().map(\.written)
    }

    // MARK: Size

    @Test func theDriverReadsTheTargetAndTellsWhatItReached() throws {
        let bench = try bench(target: 5)
        #expect(bench.offered == Self.all)
        #expect(bench.transport.read(offset: 0x100, width: 4) == 5)
        _ = try bench.startWithDrivers(Self.all, size: 32)
        let (edges, generation) = (bench.interrupt.edges, bench.read(.configurationGeneration))
        bench.device.target = 9
        #expect(bench.transport.read(offset: 0x100, width: 4) == 9)
        #expect(bench.interrupt.edges == edges + 1 && bench.read(.interruptStatus) == 2)
        #expect(bench.read(.configurationGeneration) != generation)
        bench.transport.write(offset: 0x104, width: 4, value: 7)
        #expect(bench.device.actual == 7 && bench.device.target == 9)
        // A reset empties the balloon; the target stays.
        bench.setStatus([])
        #expect(bench.device.actual == 0 && bench.device.target == 9)
        #expect(bench.transport.read(offset: 0x100, width: 4) == 9)
    }

    @Test func aChangeBeforeThereIsADriverInterruptsNobody() throws {
        let bench = try bench()
        bench.device.target = 3
        #expect(bench.interrupt.edges == 0)
    }

    @Test(
        arguments: [
            (0, 4), (8, 4), (4, 2), (4, 8), (5, 4), (2, 4), (16, 4), (1 << 63, 4), (.max, 1),
        ] as [(UInt64, Int)])
    func whatIsNotTheDriversCannotBeWritten(offset: UInt64, width: Int) throws {
        let bench = try bench(target: 5)
        bench.device.writeConfiguration(offset: offset, width: width, value: .max)
        #expect(bench.device.configuration.bytes == [5] + [UInt8](repeating: 0, count: 15))
    }

    // MARK: Inflation

    @Test(arguments: [nil, [4, 12, 8], [1, 2, 20, 1], [3, 21]] as [[UInt32]?])
    mutating func inflatedPagesGoBack(parts: [UInt32]?) throws {
        let bench = try bench()
        var drivers = try bench.startWithDrivers(Self.all, size: 32)
        try mark(bench, 1000...1010)
        // In any order, and repeated.
        let frames: [UInt32] = [1005, 1003, 1004, 1009, 1003, 1001]
        #expect(try send(frames, in: parts, by: &drivers[0], queue: 0, on: bench) == [0])
        for page in 1000...1010 as ClosedRange<UInt64> {
            #expect(try isMarked(bench, page) == !frames.contains(UInt32(page)), "\(page)")
        }
        // They can be used again, with and without a word.
        try mark(bench, [1001])
        #expect(try isMarked(bench, 1001))
        #expect(try send([1001, 1003], by: &drivers[1], queue: 1, on: bench) == [0])
        #expect(try isMarked(bench, 1001))
        #expect(!bench.status.contains(.needsReset))
    }

    @Test mutating func framesOutsideOfRAMAreIgnored() throws {
        let bench = try bench()
        var drivers = try bench.startWithDrivers(Self.all, size: 32)
        try mark(bench, [0, 2046, 2047])
        #expect(
            try send(
                [2047, 2048, 2049, 0xd0000, 0xfffff, 0x10_0000, .max, .max - 1], by: &drivers[0], queue: 0, on: bench)
                == [0])
        #expect(try !isMarked(bench, 2047) && isMarked(bench, 2046) && isMarked(bench, 0))
        #expect(!bench.status.contains(.needsReset))
    }

    /// Half a frame at the end, what is to be written, and what is beyond the limit.
    @Test mutating func whatIsNoFrameIsIgnored() throws {
        let bench = try MMIOBench(VirtioBalloon(), memorySize: 64 << 20)
        var drivers = try bench.startWithDrivers(Self.all, size: 32)
        try mark(bench, 0x2000...0x2fff)
        #expect(try send([0x2001, 0x2002], in: [7], by: &drivers[0], queue: 0, on: bench) == [0])
        #expect(try !isMarked(bench, 0x2001) && isMarked(bench, 0x2002))
        _ = try drivers[0].add([.init(address: 0x8_0000, length: 8, isWritable: true)], using: &random)
        try bench.run(&drivers[0])
        #expect(try drivers[0].reap().map(\.written) == [0] && isMarked(bench, 0x2002))
        let limit = UInt32(BalloonQueue.frameLimit)
        #expect(try send(Array(0x2000..<0x2000 + limit + 2), by: &drivers[0], queue: 0, on: bench) == [0])
        #expect(try !isMarked(bench, 0x2000 + BalloonQueue.frameLimit - 1))
        #expect(try isMarked(bench, 0x2000 + BalloonQueue.frameLimit))
    }

    @Test(arguments: 0..<50) func rangesAreTheFrames(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let most: UInt32 = seed % 2 == 0 ? 40 : .max
        let frames = (0..<Int.random(in: 0...60, using: &random)).map { _ in
            Bool.random(using: &random)
                ? .random(in: 0...most, using: &random) : most - .random(in: 0...5, using: &random)
        }
        let ranges = BalloonQueue.ranges(ofFrames: frames)
        // The same pages, in order, and none touches another.
        let pages = Set(frames.map(UInt64.init))
        #expect(ranges.flatMap(Array.init) == pages.sorted())
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
    }

    // MARK: Reports

    /// Queue 4 by the standard; the next one by drivers that count only the queues they use.
    @Test(arguments: [(4, true), (3, true), (2, false), (3, false)])
    mutating func reportedPagesGoBack(queue: Int, hasStatistics: Bool) throws {
        let bench = try bench()
        let features = hasStatistics ? Self.all : Self.all.subtracting(.balloonStatistics)
        var drivers = try bench.startWithDrivers(features, size: 32)
        try mark(bench, 512..<1100)
        let reports = [(520, 512), (1040, 3)] as [(UInt64, UInt64)]
        let buffers = reports.map { page, count in
            DriverModel.Buffer(
                address: GuestAddress(page * Self.page), length: UInt32(count * Self.page), isWritable: true)
        }
        // What is no whole page stays.
        let part = DriverModel.Buffer(address: GuestAddress(1050 * Self.page + 1), length: 8000, isWritable: true)
        _ = try drivers[queue].add(buffers + [part], inTable: 2, using: &random)
        try bench.run(&drivers[queue], queue: UInt32(queue))
        #expect(try drivers[queue].reap().map(\.written) == [0])
        for page in 512..<1100 as Range<UInt64> {
            let isReported = reports.contains { ($0..<$0 + $1).contains(page) }
            #expect(try isMarked(bench, page) == !isReported, "\(page)")
        }
    }

    @Test mutating func pagesThatTheGuestFillsStay() throws {
        let bench = try bench()
        for (features, isKept) in [
            (Self.all, true), (Self.all.subtracting(.balloonPagePoison), false),
        ] {
            var drivers = try bench.startWithDrivers(features, size: 32)
            bench.transport.write(offset: 0x10c, width: 4, value: 0xaaaa_aaaa)
            try mark(bench, [1000])
            _ = try drivers[4].add(
                [.init(address: GuestAddress(1000 * Self.page), length: 4096, isWritable: true)], using: &random)
            try bench.run(&drivers[4], queue: 4)
            #expect(try drivers[4].reap().count == 1)
            #expect(try isMarked(bench, 1000) == isKept)
            bench.setStatus([])
            try bench.memory.fill(0x1_0000, count: 0x5_0000, with: 0)
        }
    }

    @Test mutating func aQueueWithoutAPurposeIsNotServed() throws {
        let bench = try bench()
        var drivers = try bench.startWithDrivers(.common, size: 32)
        try mark(bench, [1000])
        for index in 2..<5 {
            _ = try drivers[index].add(
                [.init(address: GuestAddress(1000 * Self.page), length: 4096, isWritable: true)], using: &random)
            try bench.run(&drivers[index], queue: UInt32(index))
            #expect(try drivers[index].reap().isEmpty)
        }
        #expect(try isMarked(bench, 1000) && !bench.status.contains(.needsReset))
    }

    // MARK: Statistics

    private final class Answers: Sendable {
        private let answers = Mutex<[BalloonStatistics?]>([])
        func add(_ answer: BalloonStatistics?) { answers.withLock { $0.append(answer) } }
        func take() -> [BalloonStatistics?] { answers.withLock { exchange(&$0, with: []) } }
    }

    private mutating func giveStatistics(
        _ entries: [(UInt16, UInt64)], tail: Int = 0, by driver: inout DriverModel, on bench: MMIOBench<VirtioBalloon>
    ) throws {
        var bytes = entries.flatMap { tag, value in
            (0..<2).map { UInt8(truncatingIfNeeded: tag >> ($0 * 8)) }
                + (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        bytes += [UInt8](repeating: 0, count: tail)
        try bench.memory.write(bytes, at: 0x9_0000)
        _ = try driver.add([.init(address: 0x9_0000, length: UInt32(bytes.count), isWritable: false)], using: &random)
        try bench.run(&driver, queue: 2)
    }

    @Test mutating func statisticsComeFresh() throws {
        let bench = try bench()
        var drivers = try bench.startWithDrivers(Self.all, size: 32)
        let answers = Answers()
        try giveStatistics([(4, 1)], by: &drivers[2], on: bench)
        // Nobody asked: the buffer waits.
        #expect(try drivers[2].reap().isEmpty)
        for round in 0..<5 as Range<UInt64> {
            bench.device.requestStatistics(answers.add)
            bench.device.requestStatistics(answers.add)
            #expect(try drivers[2].reap().count == 1 && answers.take().isEmpty)
            // Unknown tags, a repeated one, and half an entry.
            try giveStatistics(
                [(4, 7), (4, 100 + round), (5, .max), (6, 0), (99, 5), (0xffff, 1)], tail: 9, by: &drivers[2], on: bench
            )
            let taken = answers.take()
            #expect(taken.count == 2 && taken[0] == taken[1])
            #expect(taken[0]?[.free] == 100 + round && taken[0]?[.total] == .max && taken[0]?[.available] == 0)
            #expect(taken[0]?[.caches] == nil && taken[0]?[.swapIn] == nil)
            #expect(try drivers[2].reap().count == 1)
            try giveStatistics([(4, 2)], by: &drivers[2], on: bench)
            #expect(try drivers[2].reap().isEmpty && answers.take().isEmpty)
        }
    }

    @Test mutating func aQuestionIsAnsweredOnceAndInTheEndWithNothing() throws {
        let bench = try bench()
        let answers = Answers()
        bench.device.requestStatistics(answers.add)
        #expect(answers.take() == [nil])
        _ = try bench.startWithDrivers(.common, size: 32)
        bench.device.requestStatistics(answers.add)
        #expect(answers.take() == [nil])
        bench.setStatus([])
        try bench.memory.fill(0x1_0000, count: 0x5_0000, with: 0)
        var drivers = try bench.startWithDrivers(Self.all, size: 32)
        // The driver has no buffer there yet.
        bench.device.requestStatistics(answers.add)
        #expect(answers.take().isEmpty)
        try giveStatistics([(4, 1)], by: &drivers[2], on: bench)
        #expect(try drivers[2].reap().count == 1 && answers.take().isEmpty)
        bench.setStatus([])
        #expect(answers.take() == [nil])
    }

    /// A driver that fills the ring with buffers is asked no more often.
    @Test mutating func manyBuffersAreTwoAnswers() throws {
        let bench = try bench()
        var drivers = try bench.startWithDrivers(Self.all, size: 32)
        let answers = Answers()
        for value in 0..<10 { try giveStatistics([(4, UInt64(value))], by: &drivers[2], on: bench) }
        bench.device.requestStatistics(answers.add)
        #expect(answers.take().count == 1)
        #expect(try drivers[2].reap().count == 2)
        #expect(bench.rings.take().isEmpty)
    }

    // MARK: Failure and state

    @Test(arguments: [0, 1, 2, 4]) mutating func aBrokenRingCostsTheDevice(queue: Int) throws {
        let bench = try bench(target: 4)
        var drivers = try bench.startWithDrivers(Self.all, size: 32)
        let answers = Answers()
        bench.device.requestStatistics(answers.add)
        _ = try drivers[queue].add([.init(address: 0xd000_0000, length: 64, isWritable: true)], using: &random)
        try bench.run(&drivers[queue], queue: UInt32(queue))
        #expect(bench.status.contains(.needsReset))
        guard case .queue(queue, .bufferOutsideRAM) = bench.log.failures.first else {
            Issue.record("\(bench.log.failures)")
            return
        }
        bench.setStatus([])
        #expect(answers.take() == [nil])
        try bench.memory.fill(0x1_0000, count: 0x5_0000, with: 0)
        drivers = try bench.startWithDrivers(Self.all, size: 32)
        #expect(try send([1000], by: &drivers[0], queue: 0, on: bench) == [0])
    }

    @Test mutating func savesAndRestoresWhileABufferWaits() throws {
        let old = try bench(target: 2)
        var drivers = try old.startWithDrivers(Self.all, size: 32)
        #expect(try send([1000, 1001], by: &drivers[0], queue: 0, on: old) == [0])
        try giveStatistics([(4, 1)], by: &drivers[2], on: old)
        let state = try #require(old.transport.state)

        old.transport.write(offset: 0x104, width: 4, value: 2)
        old.transport.write(offset: 0x10c, width: 4, value: 0xaa)
        #expect(old.device.state == .init(target: 2, actual: 2, poison: 0xaa))
        let device = VirtioBalloon(old.device.state)
        #expect(device.state == old.device.state)
        let rings = RingLog()
        let new = VirtioMMIOTransport(
            device: device, memory: old.memory, interrupt: EdgeCounter(), doorbell: rings,
            report: { Issue.record("\($0)") })
        try new.restore(state)
        let answers = Answers()
        device.requestStatistics(answers.add)
        #expect(try drivers[2].reap().count == 1)
        try old.memory.write([5, 0, 42, 0, 0, 0, 0, 0, 0, 0], at: 0x9_0000)
        _ = try drivers[2].add([.init(address: 0x9_0000, length: 10, isWritable: false)], using: &random)
        _ = try drivers[2].publish()
        new.write(offset: MMIORegister.queueNotify.rawValue, width: 4, value: 2)
        for queue in rings.take() { new.queueNotified(queue) }
        #expect(answers.take().first??[.total] == 42)
    }
}
