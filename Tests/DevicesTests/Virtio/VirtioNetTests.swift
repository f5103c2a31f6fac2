import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Devices

private typealias Frame = MemoryNetwork.Frame

@Suite struct VirtioNetTests {
    static let all: NetworkOffloads = [.checksum, .tcp4, .tcp6, .congestion, .udp]

    private func frame(_ count: Int, to destination: [UInt8] = [0x52, 2, 3, 4, 5, 6], seed: UInt8 = 0) -> Frame {
        Frame(bytes: destination + (6..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) &+ seed })
    }

    @Test func theGuestIsToldWhatThereIs() throws {
        let plain = try MMIOBench(VirtioNet(interface: MemoryNetwork { $0.mtu = 9000 }))
        #expect(plain.offered.isDisjoint(with: [.netChecksum, .netGuestChecksum, .netHostTCP4, .netMultipleQueues]))
        #expect(plain.offered.isSuperset(of: [.netAddress, .netMTU, .netStatus, .netMergeableBuffers]))
        #expect(plain.device.configuration.bytes == [0x52, 2, 3, 4, 5, 6, 1, 0, 1, 0, 0x28, 0x23])
        #expect(plain.device.maximumQueueSizes == [256, 256, 16])

        let full = VirtioNet(
            interface: MemoryNetwork {
                $0.offloads = Self.all
                $0.pairCount = 3
            })
        let bits: [UInt64] = [0, 1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 18, 22, 23, 54, 55, 56]
        #expect(full.features.rawValue == bits.reduce(0) { $0 | 1 << $1 })
        #expect(full.maximumQueueSizes == [256, 256, 256, 256, 256, 256, 16])
        #expect(full.configuration.bytes[8] == 3)
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func framesAreSentAsTheyAre(seed: UInt64) throws {
        var driver = try NetworkDriver(seed: seed)
        var frames: [Frame] = []
        for number in 0..<8 as Range<UInt64> {
            let frame = frame(Int.random(in: 14...1514, using: &driver.random), seed: UInt8(number))
            let isAdded = try driver.add(frame, number: number, parts: Int.random(in: 1...3, using: &driver.random))
            if isAdded { frames.append(frame) }
        }
        try driver.runTransmit()
        #expect(driver.network.sent == frames && driver.network.state.withLock { $0.unflushed } == 0)
        #expect(try driver.transmit.reap().map(\.written) == frames.map { _ in 0 })
    }

    /// Headers as a driver with all offloads may write them, and what is handed on.
    static let headers: [(NetworkHeader, NetworkOffloads, isGood: Bool)] = [
        (header(), [], true), (header(flags: 1, 34, 16), all, true), (header(flags: 1, 34, 16), [], false),
        (header(flags: 1, 90, 8), all, true), (header(flags: 1, 90, 9), all, false),
        (header(flags: 1, 65535, 65535), all, false),
        (header(flags: 1, 34, 16, segmentation: 1, 50), all, true),
        (header(flags: 1, 34, 16, segmentation: 0x81, 50), all, true),
        (header(flags: 1, 34, 16, segmentation: 0x81, 50), [.checksum, .tcp4], false),
        (header(flags: 1, 34, 16, segmentation: 4, 50), [.checksum, .tcp4], false),
        (header(flags: 1, 34, 16, segmentation: 5, 50), [.checksum, .tcp4], false),
        (header(flags: 1, 34, 16, segmentation: 5, 50), all, true),
        (header(flags: 1, 34, 16, segmentation: 0x85, 50), all, false),
        (header(flags: 1, 34, 16, segmentation: 3, 50), all, false),
        (header(flags: 1, 34, 16, segmentation: 1, 0), all, false),
        (header(flags: 0, 34, 16, segmentation: 1, 50), all, false),
        (header(flags: 1, 34, 16, segmentation: 1, 50, headerLength: 101), all, false),
        (header(flags: 1, 34, 16, segmentation: 0x7f, 50), all, false),
    ]

    private static func header(
        flags: UInt8 = 0, _ start: UInt16 = 0, _ offset: UInt16 = 0, segmentation: UInt8 = 0, _ size: UInt16 = 0,
        headerLength: UInt16 = 54
    ) -> NetworkHeader {
        var header = NetworkHeader()
        header.flags = flags
        (header.checksumStart, header.checksumOffset) = (start, offset)
        (header.segmentation, header.segmentSize) = (segmentation, size)
        header.headerLength = segmentation == 0 ? 0 : headerLength
        return header
    }

    @Test(arguments: headers)
    func headersAreChecked(_ header: NetworkHeader, _ offloads: NetworkOffloads, _ isGood: Bool) throws {
        let network = MemoryNetwork { $0.offloads = Self.all }
        let refused = VirtioFeatures(Self.all).subtracting(VirtioFeatures(offloads))
        var driver = try NetworkDriver(network, without: refused)
        var frame = frame(100)
        frame.header = header
        try driver.add(frame)
        try driver.runTransmit()
        #expect(network.sent == (isGood ? [frame] : []))
        // A frame that nobody can send costs the driver that frame.
        #expect(try driver.transmit.reap().map(\.written) == [0] && driver.bench.log.failures.isEmpty)
    }

    @Test func unknownPartsOfAHeaderAreLeftOut() throws {
        var driver = try NetworkDriver()
        var odd = frame(60)
        odd.header.flags = 0xfe
        odd.header.checksumStart = 7
        odd.header.headerLength = 9
        try driver.add(odd)
        try driver.runTransmit()
        #expect(driver.network.sent == [frame(60)])
    }

    @Test(arguments: [13, 65554])
    func framesOfImpossibleLengthsAreDropped(count: Int) throws {
        var driver = try NetworkDriver()
        try driver.add(bytes: [UInt8](repeating: 0, count: 12 + count))
        try driver.add(frame(64), number: 40)
        try driver.runTransmit()
        #expect(driver.network.sent == [frame(64)])
    }

    @Test(arguments: [1, 11])
    func aRequestWithoutAHeaderCostsTheDevice(count: Int) throws {
        var driver = try NetworkDriver()
        try driver.add(bytes: [UInt8](repeating: 0, count: count), parts: 1)
        try driver.runTransmit()
        #expect(driver.bench.log.failures == [.malformedRequest(queue: 1)])
        #expect(driver.bench.status.contains(.needsReset))
    }

    @Test func aFullNetworkKeepsFramesWaiting() throws {
        var driver = try NetworkDriver()
        driver.network.state.withLock { $0.room = 2 }
        let frames = (0..<6 as Range<UInt8>).map { frame(64, seed: $0) }
        for (number, frame) in frames.enumerated() { try driver.add(frame, number: UInt64(number), parts: 1) }
        try driver.runTransmit()
        #expect(driver.network.sent.count == 2 && driver.network.state.withLock { $0.waits.last } == "room")
        #expect(try driver.transmit.reap().count == 2)
        driver.network.allow(1)
        driver.bench.serve()
        #expect(driver.network.sent.count == 3)
        driver.network.allow(100)
        driver.bench.serve()
        #expect(driver.network.sent == frames && driver.network.state.withLock { $0.waits.last } == "")
        #expect(try driver.transmit.reap().count == 4)
    }

    // MARK: Receiving

    @Test(arguments: [true, false])
    func framesArrive(isMergeable: Bool) throws {
        var driver = try NetworkDriver(without: isMergeable ? [] : .netMergeableBuffers)
        for number in 0..<4 as Range<UInt64> { try driver.leave(number, [12, 1514]) }
        try driver.runReceive()
        let frames = [frame(60), frame(1514), frame(14)]
        driver.network.arrive(frames)
        let arrived = try driver.arrived()
        #expect(arrived.map(\.bytes) == frames.map(\.bytes))
        #expect(arrived.allSatisfy { $0.header == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0] })
        #expect(driver.network.state.withLock { $0.waits.last } == "frames")
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func largeFramesFillSeveralBuffers(seed: UInt64) throws {
        var driver = try NetworkDriver(size: 64, seed: seed)
        var number: UInt64 = 0
        var expected: [[UInt8]] = []
        var got: [[UInt8]] = []
        for _ in 0..<30 {
            for _ in 0..<Int.random(in: 0...8, using: &driver.random) {
                let isLeft = try driver.leave(number % 60, [Int.random(in: 12...900, using: &driver.random), 100])
                if isLeft { number += 1 }
            }
            try driver.runReceive()
            let frame = frame(Int.random(in: 14...4000, using: &driver.random), seed: UInt8(truncatingIfNeeded: number))
            driver.network.arrive([frame])
            driver.bench.serve()
            let arrived = try driver.arrived().map(\.bytes)
            // A frame is whole, or lost.
            expected.append(frame.bytes)
            for bytes in arrived { #expect(expected.contains(bytes)) }
            got += arrived
        }
        #expect(got.count > 3 && driver.bench.log.failures.isEmpty)
    }

    /// CVE-2020-16843: a flood with no buffers left, and then with some again.
    @Test func aFullQueueDoesNotFreeze() throws {
        var driver = try NetworkDriver()
        for _ in 0..<20 {
            driver.network.arrive((0..<100).map { _ in frame(200) })
            try driver.leave(0, [300])
            try driver.leave(1, [300])
            try driver.runReceive()
            #expect(try driver.arrived().count == 2)
            #expect(driver.network.state.withLock { $0.waits.last } == "")
        }
        for number in 0..<16 as Range<UInt64> { try driver.leave(number, [300]) }
        try driver.runReceive()
        #expect(try driver.arrived().count == 16)
    }

    @Test func aFrameThatFitsNowhereIsLostAlone() throws {
        var driver = try NetworkDriver(without: .netMergeableBuffers)
        for number in 0..<4 as Range<UInt64> { try driver.leave(number, [500]) }
        try driver.runReceive()
        driver.network.arrive([frame(100), frame(489), frame(488), frame(64)])
        #expect(try driver.arrived().map(\.bytes.count) == [100, 488, 64])
    }

    @Test func workIsDoneInTurns() throws {
        var driver = try NetworkDriver(size: 256)
        for number in 0..<256 as Range<UInt64> { try driver.leave(number % 64, [100]) }
        try driver.runReceive()
        // None of these is for this device, so no buffer is used up.
        #expect(try driver.command((0, 0), [0]) == 0)
        driver.network.arrive((0..<1000).map { _ in frame(64, to: [2, 2, 2, 2, 2, 2]) })
        #expect(driver.network.state.withLock { $0.incoming[0].count } == 744)
        driver.bench.serve()
        #expect(driver.network.state.withLock { $0.incoming[0].count } == 0)
        #expect(try driver.arrived().isEmpty)
    }

    @Test func aBufferWithoutRoomForAHeaderCostsTheDevice() throws {
        var driver = try NetworkDriver()
        try driver.leave(0, [11])
        try driver.runReceive()
        #expect(driver.bench.log.failures == [.malformedRequest(queue: 0)])
        driver.network.arrive([frame(64)])
        #expect(driver.bench.status.contains(.needsReset))
    }

    @Test func headersOfReceivedFramesAreThoseAgreedOn() throws {
        for (without, flags) in [([], 1), (.netGuestChecksum, 0)] as [(VirtioFeatures, UInt8)] {
            let network = MemoryNetwork { $0.offloads = Self.all }
            var driver = try NetworkDriver(network, without: without)
            #expect(network.state.withLock { $0.receiveOffloads } == (flags == 1 ? Self.all : []))
            try driver.leave(0, [1000])
            try driver.runReceive()
            var frame = frame(100)
            frame.header.flags = 1
            network.arrive([frame])
            #expect(try driver.arrived().first?.header[0] == flags)
        }
    }

    // MARK: Life

    @Test func theLinkGoesAndComes() throws {
        let driver = try NetworkDriver()
        func status() -> UInt64 { driver.bench.device.configuration.read(offset: 6, width: 2) }
        let before = driver.bench.interrupt.edges
        #expect(status() == 1)
        driver.network.setUp(false)
        #expect(status() == 0 && driver.bench.read(.interruptStatus) & 2 != 0)
        driver.network.setUp(false)
        driver.network.setUp(true)
        #expect(status() == 1 && driver.bench.interrupt.edges > before)
    }

    @Test func aResetForgetsAll() throws {
        var driver = try NetworkDriver()
        driver.network.state.withLock { $0.room = 0 }
        try driver.add(frame(64))
        try driver.leave(0, [1000])
        try driver.runTransmit()
        try driver.runReceive()
        #expect(try driver.command((1, 1), [2, 0, 0, 0, 0, 9]) == 0)
        driver.bench.setStatus([])
        #expect(driver.network.state.withLock { $0.laneCount } == 0)
        #expect(driver.bench.device.configuration.bytes.prefix(6) == [0x52, 2, 3, 4, 5, 6])
        driver.network.arrive([frame(64)])
        driver.network.allow(10)
        #expect(driver.network.sent.isEmpty)
        #expect(try driver.receive.reap().isEmpty && driver.bench.read(.interruptStatus) == 0)
        // It works again.
        try driver.bench.memory.fill(0x1_0000, count: 0x3_0000, with: 0)
        let drivers = try driver.bench.startWithDrivers(driver.bench.offered, size: 16)
        (driver.receive, driver.transmit) = (drivers[0], drivers[1])
        try driver.leave(1, [1000])
        try driver.runReceive()
        #expect(try driver.arrived().map(\.bytes) == [frame(64).bytes])
    }

    /// What waits on either side is made available again, for the restored device to take.
    @Test func savedQueuesHaveNothingInFlight() throws {
        var driver = try NetworkDriver()
        driver.network.state.withLock { $0.room = 0 }
        try driver.add(frame(64))
        for number in 0..<3 as Range<UInt64> { try driver.leave(number, [1000]) }
        try driver.runTransmit()
        try driver.runReceive()
        let states = try #require(driver.bench.device.queueStates)
        #expect(states.map { $0?.nextAvailable } == [0, 0, 0])
        // And the machine may go on instead.
        driver.network.arrive([frame(99)])
        driver.network.allow(5)
        try driver.bench.run(&driver.transmit, queue: 1)
        driver.bench.transport.queueNotified(0)
        driver.bench.transport.queueNotified(1)
        #expect(try driver.arrived().map(\.bytes) == [frame(99).bytes] && driver.network.sent == [frame(64)])
    }
}
