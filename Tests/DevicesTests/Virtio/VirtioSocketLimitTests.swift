import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Devices

/// Full queues, floods, saved states, and a peer that does anything.
@Suite struct VirtioSocketLimitTests {
    // CVE-2020-16843's lesson: a full receive queue holds up nothing for good.
    @Test func withoutReceiveBuffersTheHostIsNotRead() throws {
        let bench = try SocketBench(buffers: 2)
        let stream = try bench.connect()
        let data = (0..<6000).map { UInt8(truncatingIfNeeded: $0 &* 3) }
        stream.send(data)
        var received: [UInt8] = []
        while received.count < data.count {
            let packets = try bench.take()
            try #require(!packets.isEmpty)
            received += packets.flatMap(\.data)
            #expect(stream.unread == data.count - received.count)
            if stream.unread > 0 { #expect(!stream.state.withLock { $0.isReading }) }
            try bench.refill()
        }
        #expect(received == data)
        // Nothing is missed after it ran dry.
        stream.send([9])
        #expect(try bench.takeAll().map(\.data) == [[9]])
    }

    @Test func answersWithoutBuffersHoldTheGuestUp() throws {
        let bench = try SocketBench(buffers: 1)
        let packet = GuestPacket(.data)
        var sent = 0
        while (try? bench.send(packet)) != nil {
            sent += 1
            _ = try bench.transmit.reap()
            try #require(sent < 1000)
        }
        // One in the buffer, 64 kept, and the queue full: 32 descriptors, two a packet.
        #expect(sent == 1 + 64 + 16)
        var resets = 0
        while true {
            let packets = try bench.take()
            if packets.isEmpty { break }
            resets += packets.count
            try bench.refill()
        }
        #expect(resets == sent)
        #expect(try bench.hasTakenAll())
        try bench.send(GuestPacket(.request))
        #expect(try bench.takeAll().map(\.operation) == [2])
    }

    @Test func aFloodOfRequestsIsBounded() throws {
        let bench = try SocketBench(buffers: 8)
        var accepted = 0
        for port in 0..<UInt32(VirtioSocket.connectionLimit + 100) {
            try bench.send(GuestPacket(.request, from: port))
            _ = try bench.transmit.reap()
            accepted += try bench.takeAll().filter { $0.operation == 2 }.count
        }
        #expect(accepted == VirtioSocket.connectionLimit)
        #expect(bench.host.streams.count == VirtioSocket.connectionLimit)
        let (stream, log) = (MemoryStream(), AnswerLog())
        bench.device.connect(stream, toPort: 1, answer: log.add)
        #expect(log.answers == [.tooMany])
        // One that ends makes room.
        try bench.send(GuestPacket(.reset, from: 7))
        #expect(try !bench.connect(from: 5000).isClosed)
    }

    @Test func connectionsThatEndBeforeTheGuestReadsAreBounded() throws {
        let bench = try SocketBench(buffers: 0)
        for round in 0..<5000 {
            guard (try? bench.send(GuestPacket(round % 2 == 0 ? .request : .reset))) != nil else { break }
            _ = try bench.transmit.reap()
        }
        #expect(bench.host.streams.count <= VirtioSocket.connectionLimit)
        #expect(bench.host.streams.filter { !$0.isClosed }.count <= 1)
    }

    @Test func connectionsTakeTurns() throws {
        let bench = try SocketBench(buffers: 2)
        let first = try bench.connect(from: 1)
        let second = try bench.connect(from: 2)
        first.send([UInt8](repeating: 1, count: 100_000))
        second.send([2])
        var seen = 0
        while true {
            let packets = try bench.take()
            seen += packets.count
            if packets.contains(where: { $0.data == [2] }) { break }
            try #require(seen < 10)
            try bench.refill()
        }
        #expect(first.unread > 90_000)
    }

    // MARK: Saving

    @Test func aRestoredDeviceTellsThatItsConnectionsAreGone() throws {
        let state = try SocketBench().device.state
        let device = try VirtioSocket(restoring: state, host: MemoryHost(), timer: SocketTimer())
        let bench = try SocketBench(device: device)
        try bench.bench.memory.store(0xffff_ffff as UInt32, at: 0x38_0000)
        _ = try bench.event.add([.init(address: 0x38_0000, length: 4, isWritable: true)], using: &bench.random)
        try bench.bench.run(&bench.event, queue: 2)
        #expect(try bench.event.reap().map(\.written) == [4])
        #expect(try bench.bench.memory.load(UInt32.self, at: 0x38_0000) == 0)
        // Once.
        _ = try bench.event.add([.init(address: 0x38_0000, length: 4, isWritable: true)], using: &bench.random)
        try bench.bench.run(&bench.event, queue: 2)
        #expect(try bench.event.reap().isEmpty)
    }

    @Test(arguments: [0, 2, 0xffff_ffff, 1 << 32 | 3] as [UInt64]) func aDamagedStateIsRefused(cid: UInt64) {
        #expect(throws: DeviceStateError.self) {
            try VirtioSocket(restoring: .init(guestCID: cid), host: MemoryHost(), timer: SocketTimer())
        }
    }

    @Test func nothingIsInFlightBetweenCalls() throws {
        let bench = try SocketBench()
        let stream = try bench.connect()
        stream.send([1])
        #expect(bench.device.queueStates?.count == 3)
    }

    // MARK: Any peer

    /// The bytes of a connection both ways arrive whole and in order, whatever the order of events.
    @Test(arguments: 0..<20 as Range<UInt64>) func bytesArriveWholeAndInOrder(seed: UInt64) throws {
        let bench = try SocketBench(buffers: 4, bufferSize: 300)
        bench.random = SeededGenerator(seed: seed)
        let stream = try bench.connect(room: 1000)
        stream.setRoom(0)
        func bytes(_ count: Int, _ start: Int) -> [UInt8] {
            (start..<start + count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 251) }
        }
        // The guest as a model: what it sent and read, and the credit that it was told.
        var (sent, read, arrived, told, hostSent) = (0, 0, 0, 0, 0)
        func packet(_ operation: SocketOperation, _ data: [UInt8] = []) -> GuestPacket {
            var packet = GuestPacket(operation, data: data)
            (packet.bufferSize, packet.forwarded) = (1000, UInt32(read))
            return packet
        }
        for _ in 0..<600 {
            switch Int.random(in: 0..<6, using: &bench.random) {
            case 0:
                let credit = Int(VirtioSocket.bufferSize) - (sent - told)
                let count = min(credit, Int.random(in: 0...40_000, using: &bench.random))
                try bench.send(packet(.data, bytes(count, sent)))
                sent += count
            case 1:
                let count = Int.random(in: 1...2000, using: &bench.random)
                stream.send(bytes(count, hostSent))
                hostSent += count
            case 2: stream.take(Int.random(in: 1...100_000, using: &bench.random))
            case 3:
                read = Int.random(in: read...arrived, using: &bench.random)
                try bench.send(packet(.creditUpdate))
            case 4: try bench.send(packet(.creditRequest))
            default: try bench.refill()
            }
            try #require(try bench.hasTakenAll())
            for packet in try bench.take() {
                try #require(packet.data == bytes(packet.data.count, arrived) && packet.operation != 3)
                arrived += packet.data.count
                try #require(arrived - read <= 1000)
                told = max(told, Int(packet.forwarded))
            }
        }
        while arrived < hostSent {
            read = arrived
            try bench.send(packet(.creditUpdate))
            try #require(try bench.hasTakenAll())
            try bench.refill()
            for packet in try bench.takeAll() {
                try #require(packet.data == bytes(packet.data.count, arrived))
                arrived += packet.data.count
            }
        }
        stream.take(.max / 2)
        #expect(stream.output == bytes(sent, 0))
        #expect(stream.state.withLock { $0.mostKept } <= Int(VirtioSocket.bufferSize))
        #expect(bench.bench.log.failures.isEmpty)
    }

    /// Whatever a guest sends, the device goes on, and a reset leaves nothing open.
    @Test(arguments: 0..<20 as Range<UInt64>) func aHostileGuestHurtsItselfAlone(seed: UInt64) throws {
        let bench = try SocketBench(buffers: 6)
        bench.random = SeededGenerator(seed: seed)
        for _ in 0..<800 {
            func word(_ choices: [UInt32]) -> UInt32 {
                choices.randomElement(using: &bench.random) ?? UInt32.random(in: 0 ... .max, using: &bench.random)
            }
            var packet = GuestPacket(
                .data, from: word([1, 2, 3]), to: word([52, 52, 52, 1 << 30, 1 << 30 | 1]),
                data: [UInt8](repeating: 5, count: Int(word([0, 1, 500, 60_000]))))
            packet.operation = UInt16(word([1, 2, 3, 4, 5, 6, 7, 8]))
            packet.flags = word([0, 1, 2, 3, .max])
            packet.bufferSize = word([0, 1, 1000, .max])
            packet.forwarded = word([0, 1, 1000, .max])
            if word([0, 0, 0, 0, 0, 0, 0, 1]) == 1 { packet.type = UInt16(word([0, 1, 2])) }
            _ = try bench.transmit.reap()
            _ = try? bench.send(packet)
            switch word([0, 1, 2, 3, 4, 5]) {
            case 0: bench.device.connect(MemoryStream(), toPort: word([1, 2, 3]), answer: { _ in })
            case 1: bench.host.streams.randomElement(using: &bench.random)?.send([1, 2, 3])
            case 2: bench.host.streams.randomElement(using: &bench.random)?.leave()
            case 3: bench.host.streams.randomElement(using: &bench.random)?.finish()
            case 4: bench.device.timerExpired()
            default:
                _ = try bench.take()
                try bench.refill()
            }
        }
        #expect(bench.bench.log.failures.isEmpty)
        #expect(bench.host.streams.allSatisfy { $0.state.withLock { $0.mostKept } <= Int(VirtioSocket.bufferSize) })
        bench.bench.setStatus([])
        #expect(bench.host.streams.allSatisfy { $0.isClosed })
    }
}
