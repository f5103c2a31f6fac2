import GuestMemory
import Synchronization
import TestSupport
import Testing
import Virtio

@testable import Devices

private typealias Frame = MemoryNetwork.Frame

/// A network device under limits: what may not go yet waits, and nothing is lost.
@Suite struct VirtioNetLimitTests {
    /// A limiter of one direction, and its clock.
    private final class Limited: Sendable {
        let timer = ManualTimer()
        let limiter: RateLimiter
        private let start: UInt64

        init(bytes: RateLimiter.Limit? = nil, operations: RateLimiter.Limit? = nil) {
            limiter = RateLimiter(bytes: bytes, operations: operations, timer: timer) { [timer] in timer.now }
            start = timer.now
        }

        var milliseconds: UInt64 { (timer.now - start) / 1_000_000 }

        /// Goes on to the next turn. False if nobody waits for one.
        func expire(_ driver: NetworkDriver) -> Bool {
            guard timer.expire() else { return false }
            limiter.timerExpired()
            driver.bench.serve()
            return true
        }
    }

    private static func frame(_ count: Int, seed: UInt8 = 0) -> Frame {
        Frame(bytes: [0x52, 2, 3, 4, 5, 6] + (6..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) &+ seed })
    }

    private static func lastWait(_ network: MemoryNetwork) -> String? { network.state.withLock { $0.waits.last } }

    @Test(arguments: [true, false])
    func framesAreSentAtTheRate(usesEventIndex: Bool) throws {
        let limited = Limited(bytes: .init(perSecond: 10_000, burst: 200))
        var driver = try NetworkDriver(without: usesEventIndex ? [] : .eventIndex, sendLimiter: limited.limiter)
        let network = driver.network
        let frames = (0..<5 as Range<UInt8>).map { Self.frame(100, seed: $0) }
        for (number, frame) in frames.enumerated() { try driver.add(frame, number: UInt64(number), parts: 1) }
        try driver.runTransmit()
        #expect(network.sent.count == 2)
        #expect(try driver.transmit.reap().count == 2)
        // Neither room nor the other direction's frames are what it waits for.
        #expect(Self.lastWait(network) == "")
        network.arrive([])
        #expect(network.sent.count == 2)
        for count in 3...5 {
            #expect(limited.expire(driver))
            #expect(network.sent.count == count && limited.milliseconds == UInt64(count - 2) * 10)
        }
        #expect(!limited.expire(driver))
        #expect(network.sent == frames)
        #expect(try driver.transmit.reap().count == 3)
        // The driver's notifications mean something again.
        #expect(!limited.timer.advance(by: 10_000_000))
        try driver.add(Self.frame(100))
        try driver.runTransmit()
        #expect(network.sent.count == 6)
    }

    /// A frame's size is known when it is there: the bucket may owe for one.
    @Test func framesArriveAtTheRate() throws {
        let limited = Limited(bytes: .init(perSecond: 10_000, burst: 200))
        var driver = try NetworkDriver(receiveLimiter: limited.limiter)
        let network = driver.network
        for number in 0..<8 as Range<UInt64> { try driver.leave(number, [12, 1514]) }
        try driver.runReceive()
        #expect(Self.lastWait(network) == "frames")
        let frames = (0..<6 as Range<UInt8>).map { Self.frame(100, seed: $0) }
        network.arrive(frames)
        var arrived = try driver.arrived().map(\.bytes)
        #expect(arrived.count == 3)
        // The rest stays where it is, and nobody looks for it again and again.
        #expect(network.state.withLock { $0.incoming[0].count } == 3 && Self.lastWait(network) == "")
        try driver.runReceive()
        #expect(try driver.arrived().isEmpty)
        for count in 4...6 {
            #expect(limited.expire(driver))
            arrived += try driver.arrived().map(\.bytes)
            #expect(arrived.count == count && limited.milliseconds == UInt64(count - 3) * 10)
        }
        #expect(arrived == frames.map(\.bytes))
        // The last turn has come when nobody uses it, and the next frame does.
        #expect(limited.expire(driver) && !limited.timer.isSet)
        #expect(Self.lastWait(network) == "frames")
        network.arrive([Self.frame(60)])
        #expect(try driver.arrived().map(\.bytes.count) == [60])
    }

    @Test func packetsAreCountedOnceEach() throws {
        let limited = Limited(operations: .init(perSecond: 10, burst: 2))
        var driver = try NetworkDriver(without: .netMergeableBuffers, receiveLimiter: limited.limiter)
        let network = driver.network
        for number in 0..<8 as Range<UInt64> { try driver.leave(number, [512]) }
        try driver.runReceive()
        // Neither looking in vain, nor a frame for somebody else, nor one that fits nowhere costs anything.
        network.arrive([])
        network.arrive([])
        #expect(try driver.command((0, 0), [0]) == 0)
        network.arrive([Frame(bytes: [2] + [UInt8](repeating: 9, count: 60)), Self.frame(501)])
        network.arrive((0..<4 as Range<UInt8>).map { Self.frame(64, seed: $0) })
        #expect(try driver.arrived().count == 2)
        #expect(limited.expire(driver) && limited.milliseconds == 100)
        #expect(try driver.arrived().count == 1)
        #expect(limited.expire(driver) && limited.milliseconds == 200)
        #expect(try driver.arrived().count == 1)
    }

    @Test func whoseTurnCameWaitsForRoomAlone() throws {
        let limited = Limited(operations: .init(perSecond: 10, burst: 1))
        var driver = try NetworkDriver(sendLimiter: limited.limiter)
        let network = driver.network
        for number in 0..<3 as Range<UInt64> { try driver.add(Self.frame(64), number: number, parts: 1) }
        try driver.runTransmit()
        #expect(network.sent.count == 1 && Self.lastWait(network) == "")
        // What the lane took before goes on meanwhile.
        network.state.withLock { $0.unflushed = 1 }
        network.allow(0)
        #expect(network.state.withLock { $0.unflushed } == 0)
        #expect(limited.expire(driver))
        #expect(network.sent.count == 1 && Self.lastWait(network) == "room" && !limited.timer.isSet)
        network.allow(9)
        driver.bench.serve()
        // Counted when its turn came; the next waits for a turn of its own.
        #expect(network.sent.count == 2 && Self.lastWait(network) == "" && limited.timer.isSet)
        #expect(limited.expire(driver))
        #expect(network.sent.count == 3 && limited.milliseconds == 200)
    }

    /// Frames of any size in any span of time, against what a bucket lets through.
    @Test(arguments: [true, false], 0..<6 as Range<UInt64>)
    func noSpanHasMoreThanItsShare(isReceive: Bool, seed: UInt64) throws {
        let limited = Limited(
            bytes: .init(perSecond: 50_000, burst: 2000), operations: .init(perSecond: 100, burst: 3))
        var driver = try NetworkDriver(
            size: 64, seed: seed, sendLimiter: isReceive ? nil : limited.limiter,
            receiveLimiter: isReceive ? limited.limiter : nil)
        let network = driver.network
        var expected: [[UInt8]] = []
        var got: [[UInt8]] = []
        var moves: [(time: UInt64, bytes: Int)] = []
        func note() throws {
            let new = isReceive ? try driver.arrived().map(\.bytes) : network.sent[got.count...].map(\.bytes)
            if !isReceive { _ = try driver.transmit.reap() }
            moves += new.map { (limited.timer.now, $0.count) }
            got += new
        }
        var leftCount: UInt64 = 0
        for round in 0..<200 {
            let frames = (0..<Int.random(in: 0...2, using: &driver.random)).map { number in
                Self.frame(
                    Int.random(in: 14...3000, using: &driver.random),
                    seed: UInt8(truncatingIfNeeded: round * 4 + number))
            }
            if isReceive {
                while try driver.leave(leftCount % 128, [3012]) { leftCount += 1 }
                try driver.runReceive()
                expected += frames.map(\.bytes)
                network.arrive(frames)
            } else {
                for frame in frames {
                    let isAdded = try driver.add(frame, number: UInt64(expected.count % 128), parts: 1)
                    if isAdded { expected.append(frame.bytes) }
                }
                try driver.runTransmit()
            }
            driver.bench.serve()
            try note()
            let isExpired = Bool.random(using: &driver.random) && limited.expire(driver)
            if !isExpired {
                let time = UInt64.random(in: 0...20_000_000, using: &driver.random)
                if limited.timer.advance(by: time) { limited.limiter.timerExpired() }
            }
            try note()
        }
        #expect(got.count > 20 && got.elementsEqual(expected.prefix(got.count)))
        #expect(driver.bench.log.failures.isEmpty)
        for first in moves.indices {
            var bytes = 0
            for last in first..<moves.count {
                bytes += moves[last].bytes
                let seconds = Double(moves[last].time - moves[first].time) / 1e9
                // A frame may go for which the bucket is too small, or whose size was not known.
                #expect(Double(bytes) <= 50_000 * seconds + 2000 + 3000)
                #expect(Double(last - first + 1) <= 100 * seconds + 3 + 1)
            }
        }
    }

    /// A limit is of the device, whatever number of queues it has, and these take turns.
    @Test func pairsTakeTurns() throws {
        let limited = Limited(operations: .init(perSecond: 10, burst: 1))
        let network = MemoryNetwork { $0.pairCount = 2 }
        let bench = try MMIOBench(VirtioNet(interface: network, sendLimiter: limited.limiter), memorySize: 2 << 20)
        var drivers = try bench.startWithDrivers(bench.offered)
        var random = SeededGenerator(seed: 1)
        for queue in [1, 3] {
            for _ in 0..<3 {
                _ = try drivers[queue].add([.init(address: 0xf_0000, length: 76, isWritable: false)], using: &random)
            }
            try bench.run(&drivers[queue], queue: UInt32(queue))
        }
        func counts() -> [Int] { network.state.withLock { $0.sent.map(\.count) } }
        #expect(counts() == [1, 0])
        for expected in [[2, 0], [2, 1], [3, 1], [3, 2], [3, 3]] {
            #expect(limited.timer.expire())
            limited.limiter.timerExpired()
            bench.serve()
            #expect(counts() == expected)
        }
        #expect(!limited.timer.isSet)
    }

    // MARK: Life

    @Test func aResetForgetsWhatWaits() throws {
        let sending = Limited(operations: .init(perSecond: 10, burst: 1))
        let receiving = Limited(operations: .init(perSecond: 10, burst: 1))
        var driver = try NetworkDriver(sendLimiter: sending.limiter, receiveLimiter: receiving.limiter)
        let network = driver.network
        func begin() throws {
            for number in 0..<3 as Range<UInt64> {
                try driver.add(Self.frame(64), number: number, parts: 1)
                try driver.leave(number, [1000])
            }
            network.arrive([Self.frame(64), Self.frame(64)])
            try driver.runTransmit()
            try driver.runReceive()
        }
        try begin()
        #expect(network.sent.count == 1 && sending.timer.isSet && receiving.timer.isSet)
        #expect(try driver.arrived().count == 1)
        driver.bench.setStatus([])
        #expect(!sending.timer.isSet && !receiving.timer.isSet)
        for limited in [sending, receiving] { limited.limiter.timerExpired() }
        #expect(network.sent.count == 1 && network.state.withLock { $0.incoming[0].count } == 1)

        // A new life begins with empty buckets, and goes on when they fill.
        try driver.bench.memory.fill(0x1_0000, count: 0x3_0000, with: 0)
        let drivers = try driver.bench.startWithDrivers(driver.bench.offered, size: 16)
        (driver.receive, driver.transmit) = (drivers[0], drivers[1])
        try begin()
        #expect(network.sent.count == 1)
        #expect(try driver.arrived().isEmpty)
        for count in 2...4 {
            #expect(sending.expire(driver) && receiving.expire(driver))
            #expect(network.sent.count == count)
            #expect(try driver.arrived().count == 1)
        }
    }

    /// What waits is made available again, and the machine may go on instead.
    @Test func savedQueuesHaveNothingInFlight() throws {
        let sending = Limited(operations: .init(perSecond: 10, burst: 1))
        let receiving = Limited(operations: .init(perSecond: 10, burst: 1))
        var driver = try NetworkDriver(sendLimiter: sending.limiter, receiveLimiter: receiving.limiter)
        let network = driver.network
        for number in 0..<2 as Range<UInt64> {
            try driver.add(Self.frame(64, seed: UInt8(number)), number: number, parts: 1)
            try driver.leave(number, [1000])
        }
        network.arrive([Self.frame(64), Self.frame(65)])
        try driver.runTransmit()
        try driver.runReceive()
        let states = try #require(driver.bench.device.queueStates)
        #expect(states.map { $0?.nextAvailable } == [1, 1, 0])
        while sending.expire(driver) || receiving.expire(driver) {}
        #expect(network.sent == [Self.frame(64), Self.frame(64, seed: 1)])
        #expect(try driver.arrived().map(\.bytes.count) == [64, 65])
    }
}
