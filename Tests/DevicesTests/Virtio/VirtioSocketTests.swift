import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Devices

@Suite struct VirtioSocketTests {
    private static func operations(_ packets: [GuestPacket]) -> [SocketOperation?] {
        packets.map { SocketOperation(rawValue: $0.operation) }
    }

    // MARK: Connections

    @Test func isTheDeviceThatTheStandardDescribes() throws {
        let bench = try SocketBench()
        #expect(bench.bench.read(.deviceID) == 19)
        #expect(bench.bench.offered.isSuperset(of: VirtioFeatures(rawValue: 1)))
        #expect(bench.device.configuration.read(offset: 0, width: 8) == 3)
    }

    @Test func theGuestConnects() throws {
        let bench = try SocketBench()
        try bench.send(GuestPacket(.request))
        let answers = try bench.take()
        #expect(Self.operations(answers) == [.response])
        #expect(answers[0].source == SocketAddress(cid: 2, port: 52))
        #expect(answers[0].destination == SocketAddress(cid: 3, port: 1000))
        #expect(answers[0].bufferSize == VirtioSocket.bufferSize && answers[0].forwarded == 0)

        let stream = bench.host.streams[0]
        try bench.send(GuestPacket(.data, data: Array("hello".utf8)))
        #expect(stream.output == Array("hello".utf8))
        stream.send(Array("world".utf8))
        let packets = try bench.takeAll()
        #expect(Self.operations(packets) == [.data] && packets[0].data == Array("world".utf8))
        #expect(packets[0].forwarded == 5)
        #expect(bench.bench.log.failures.isEmpty)
    }

    @Test func theHostConnects() throws {
        let bench = try SocketBench()
        let (stream, log) = (MemoryStream(), AnswerLog())
        stream.send([1, 2, 3])
        bench.device.connect(stream, toPort: 22, answer: log.add)
        let requests = try bench.takeAll()
        #expect(Self.operations(requests) == [.request] && log.answers.isEmpty)
        let hostPort = requests[0].source.port
        #expect(hostPort >= 1 << 30 && requests[0].destination.port == 22)
        try bench.send(GuestPacket(.response, from: 22, to: hostPort))
        #expect(log.answers == [.accepted(hostPort: hostPort)])
        // What the host sent before the guest answered comes now.
        #expect(try bench.takeAll().map(\.data) == [[1, 2, 3]])
        try bench.send(GuestPacket(.data, from: 22, to: hostPort, data: [9]))
        #expect(stream.output == [9])
    }

    @Test func connectionsThatNobodyTakesAreRefused() throws {
        let bench = try SocketBench()
        try bench.send(GuestPacket(.request, to: 53))
        let resets = try bench.takeAll()
        #expect(Self.operations(resets) == [.reset] && resets[0].source.port == 53)
        let (stream, log) = (MemoryStream(), AnswerLog())
        bench.device.connect(stream, toPort: 22, answer: log.add)
        let hostPort = try bench.takeAll()[0].source.port
        try bench.send(GuestPacket(.reset, from: 22, to: hostPort))
        #expect(log.answers == [.refused] && stream.isClosed)
        #expect(try bench.takeAll().isEmpty)
    }

    @Test func aGuestThatDoesNotAnswerIsNotWaitedForForever() throws {
        let bench = try SocketBench()
        let (stream, log) = (MemoryStream(), AnswerLog())
        bench.device.connect(stream, toPort: 22, answer: log.add)
        _ = try bench.takeAll()
        for _ in 0..<VirtioSocket.patience {
            #expect(bench.timer.time == 1_000_000_000 && log.answers.isEmpty)
            bench.device.timerExpired()
        }
        #expect(log.answers == [.timedOut] && stream.isClosed)
        #expect(Self.operations(try bench.takeAll()) == [.reset])
    }

    @Test func withoutADriverConnectionsAreRefused() throws {
        let bench = try SocketBench()
        bench.bench.setStatus([])
        let (stream, log) = (MemoryStream(), AnswerLog())
        bench.device.connect(stream, toPort: 22, answer: log.add)
        #expect(log.answers == [.notReady] && stream.isClosed)
    }

    // MARK: Packets that belong nowhere

    static let strays: [(String, @Sendable (inout GuestPacket) -> Void)] = [
        ("no connection", { $0.operation = 5 }), ("a shutdown of none", { $0.operation = 4 }),
        ("an unknown operation", { $0.operation = 77 }), ("the invalid operation", { $0.operation = 0 }),
        ("another host", { $0.destination.cid = 4 }), ("a host that wraps", { $0.destination.cid = 1 << 32 | 2 }),
        ("another guest", { $0.source.cid = 4 }), ("seqpacket", { $0.type = 2 }), ("type 0", { $0.type = 0 }),
    ]

    @Test(arguments: strays.indices) func straysAreAnsweredByAReset(index: Int) throws {
        let bench = try SocketBench()
        var packet = GuestPacket(.request)
        Self.strays[index].1(&packet)
        try bench.send(packet)
        let resets = try bench.takeAll()
        #expect(Self.operations(resets) == [.reset], "\(Self.strays[index].0)")
        #expect(resets.first?.source == packet.destination && resets.first?.destination == packet.source)
        #expect(resets.first?.type == packet.type)
        // A reset is never answered.
        packet.operation = 3
        try bench.send(packet)
        #expect(try bench.takeAll().isEmpty && bench.host.streams.isEmpty)
        #expect(try bench.hasTakenAll() && bench.bench.log.failures.isEmpty)
    }

    static let violations: [SocketOperation?] = [.request, .response, nil]

    @Test(arguments: violations.indices) func whatComesAtTheWrongTimeEndsTheConnection(index: Int) throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        var packet = GuestPacket(Self.violations[index] ?? .data)
        if Self.violations[index] == nil { packet.operation = 99 }
        try bench.send(packet)
        #expect(Self.operations(try bench.takeAll()) == [.reset])
        #expect(stream.isClosed)
        // The ports are free again.
        #expect(try !bench.connect().isClosed)
    }

    @Test func theHeaderSaysMoreThanTheBuffersHold() throws {
        for length in [1, 5, .max] as [UInt32] {
            let bench = try SocketBench()
            var packet = GuestPacket(.request)
            packet.length = length
            try bench.send(packet)
            #expect(bench.bench.status.contains(.needsReset))
            #expect(bench.bench.log.failures == [.packetBeyondBuffers(queue: 1, length: length, room: 0)])
        }
    }

    @Test func lessThanAHeaderCostsTheDevice() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        try bench.send(GuestPacket(.data), bytes: Array(GuestPacket(.data).bytes.dropLast()))
        #expect(bench.bench.log.failures == [.malformedRequest(queue: 1)])
        #expect(stream.isClosed)
        stream.send([1])
        #expect(try bench.take().isEmpty)
    }

    @Test func receiveBuffersWithoutRoomForDataCostTheDevice() throws {
        let bench = try SocketBench(bufferSize: 44)
        try bench.send(GuestPacket(.request))
        #expect(bench.bench.log.failures == [.malformedRequest(queue: 0)])
    }

    // MARK: Credit

    @Test func theGuestIsSentNoMoreThanItHasRoomFor() throws {
        let bench = try SocketBench()
        let stream = try bench.connect(room: 100)
        stream.send([UInt8](repeating: 7, count: 250))
        var packets = try bench.takeAll()
        #expect(packets.flatMap(\.data).count == 100)
        #expect(Self.operations(packets).filter { $0 == .creditRequest }.count == 1)
        #expect(!stream.state.withLock { $0.isReading })

        // A lie about more than was sent, an old number and a smaller buffer give nothing.
        for (forwarded, size) in [(101, 100), (UInt32.max, 100), (0, 100), (0, 50)] as [(UInt32, UInt32)] {
            var update = GuestPacket(.creditUpdate)
            (update.forwarded, update.bufferSize) = (forwarded, size)
            try bench.send(update)
            #expect(try bench.takeAll().isEmpty)
        }
        var update = GuestPacket(.creditUpdate)
        (update.forwarded, update.bufferSize) = (80, 100)
        try bench.send(update)
        packets = try bench.takeAll()
        #expect(packets.flatMap(\.data).count == 80)
        (update.forwarded, update.bufferSize) = (180, .max)
        try bench.send(update)
        #expect(try bench.takeAll().flatMap(\.data).count == 70)
    }

    @Test func theGuestHearsOfRoomAgain() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        stream.setRoom(0)
        let half = Int(VirtioSocket.bufferSize) / 2
        let data = (0..<half).map { UInt8(truncatingIfNeeded: $0) }
        try bench.send(GuestPacket(.data, data: data))
        try bench.send(GuestPacket(.data, data: data))
        #expect(try bench.takeAll().isEmpty && stream.keptByteCount == 2 * half)
        stream.take(half - 1)
        #expect(try bench.takeAll().isEmpty)
        stream.take(1)
        let updates = try bench.takeAll()
        #expect(Self.operations(updates) == [.creditUpdate] && updates[0].forwarded == UInt32(half))
        try bench.send(GuestPacket(.creditRequest))
        #expect(Self.operations(try bench.takeAll()) == [.creditUpdate])
    }

    @Test func whoSendsWithoutCreditLosesTheConnection() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        stream.setRoom(0)
        try bench.send(GuestPacket(.data, data: [UInt8](repeating: 1, count: Int(VirtioSocket.bufferSize))))
        try bench.send(GuestPacket(.data, data: [1]))
        #expect(Self.operations(try bench.takeAll()).last == .reset)
        #expect(stream.isClosed && stream.state.withLock { $0.mostKept } == Int(VirtioSocket.bufferSize))
        #expect(!bench.bench.status.contains(.needsReset))
    }

    // MARK: Ends

    @Test func eachDirectionEndsByItself() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        var shutdown = GuestPacket(.shutdown)
        shutdown.flags = SocketShutdown.send.rawValue
        try bench.send(shutdown)
        #expect(stream.hasOutputEnded && !stream.isClosed)
        stream.send([1, 2])
        stream.finish()
        let packets = try bench.takeAll()
        #expect(Self.operations(packets) == [.data, .shutdown] && packets.last?.flags == SocketShutdown.send.rawValue)
        // The hints are permanent: the other bit alone completes them (5.10.6.5).
        shutdown.flags = SocketShutdown.receive.rawValue
        try bench.send(shutdown)
        #expect(Self.operations(try bench.takeAll()) == [.reset])
        #expect(stream.isClosed)
    }

    @Test func aHostThatLeavesIsFollowedByTheGuest() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        stream.send([1])
        stream.finish(isGone: true)
        let packets = try bench.takeAll()
        #expect(packets.last?.operation == 4 && packets.last?.flags == 3 && packets.contains { $0.data == [1] })
        // What is on its way meanwhile goes nowhere.
        try bench.send(GuestPacket(.data, data: [5]))
        #expect(stream.output.isEmpty)
        try bench.send(GuestPacket(.reset))
        #expect(stream.isClosed)
        #expect(try bench.takeAll().isEmpty)
    }

    @Test func aGuestThatDoesNotFollowIsResetInTheEnd() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        stream.finish(isGone: true)
        _ = try bench.takeAll()
        for _ in 0..<VirtioSocket.patience { bench.device.timerExpired() }
        #expect(Self.operations(try bench.takeAll()) == [.reset])
        #expect(stream.isClosed)
    }

    @Test func whatAGuestSentBeforeItClosedIsNotLost() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        stream.setRoom(1)
        try bench.send(GuestPacket(.data, data: [1, 2, 3]))
        var shutdown = GuestPacket(.shutdown)
        shutdown.flags = 3
        try bench.send(shutdown)
        #expect(Self.operations(try bench.takeAll()) == [.reset])
        #expect(!stream.isClosed && stream.output == [1])
        // The guest may use its port again meanwhile.
        let second = try bench.connect()
        stream.take(2)
        #expect(stream.isClosed && stream.output == [1, 2, 3] && !second.isClosed)
    }

    @Test func aResetDropsEverything() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        let (other, log) = (MemoryStream(), AnswerLog())
        bench.device.connect(other, toPort: 22, answer: log.add)
        bench.bench.setStatus([])
        #expect(stream.isClosed && other.isClosed && log.answers == [.notReady])
        #expect(bench.timer.time == nil)
        stream.send([1])
        stream.leave()
    }
}
