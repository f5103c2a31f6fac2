import CLinux
import GuestMemory
import Synchronization
import TestSupport
import Virtio

@testable import Devices

/// A network in memory.
final class MemoryNetwork: NetworkInterface {
    struct Frame: Equatable, Sendable {
        var header = NetworkHeader()
        var bytes: [UInt8]
    }

    struct State {
        /// What the guest sent, by pair.
        var sent: [[Frame]]
        /// What it is to receive, by pair.
        var incoming: [[Frame]]
        /// Frames that can still be taken.
        var room = Int.max
        var isUp = true
        var waits: [String] = []
        var receiveOffloads: NetworkOffloads = []
        var pairCount = 0
        var laneCount = 0
        var unflushed = 0
        var log: [String] = []
    }

    let properties: NetworkProperties
    let state: Mutex<State>
    private let callbacks = Mutex<[Int: @Sendable () -> Void]>([:])
    private let link = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ change: (inout NetworkProperties) -> Void = { _ in }) {
        var properties = NetworkProperties(address: 0x0605_0403_0252)
        change(&properties)
        self.properties = properties
        state = Mutex(
            State(
                sent: .init(repeating: [], count: properties.pairCount),
                incoming: .init(repeating: [], count: properties.pairCount)))
    }

    var sent: [Frame] { state.withLock { $0.sent[0] } }
    var isUp: Bool { state.withLock { $0.isUp } }

    func watchLink(_ changed: @escaping @Sendable () -> Void) { link.withLock { $0 = changed } }

    func setUp(_ isUp: Bool) {
        state.withLock { $0.isUp = isUp }
        link.withLock { $0 }?()
    }

    func makeLane(pair: Int, ready: @escaping @Sendable () -> Void) -> any NetworkLane {
        callbacks.withLock { $0[pair] = ready }
        state.withLock { $0.laneCount += 1 }
        return Lane(self, pair)
    }

    func setReceiveOffloads(_ offloads: NetworkOffloads) { state.withLock { $0.receiveOffloads = offloads } }
    func setPairCount(_ count: Int) { state.withLock { $0.pairCount = count } }

    /// Frames come from the network.
    func arrive(_ frames: [Frame], pair: Int = 0) {
        state.withLock { $0.incoming[pair] += frames }
        callbacks.withLock { $0[pair] }?()
    }

    /// There is room for `count` frames more.
    func allow(_ count: Int) {
        state.withLock { $0.room = count }
        callbacks.withLock { $0[0] }?()
    }

    private final class Lane: NetworkLane {
        let network: MemoryNetwork
        let pair: Int
        init(_ network: MemoryNetwork, _ pair: Int) {
            self.network = network
            self.pair = pair
        }

        deinit { network.state.withLock { $0.laneCount -= 1 } }

        func send(_ header: NetworkHeader, _ frame: GuestBuffers) -> Bool {
            var bytes: [UInt8] = []
            for segment in frame.segments {
                bytes += UnsafeRawBufferPointer(start: segment.iov_base, count: segment.iov_len)
            }
            precondition(bytes.count == Int(frame.byteCount))
            return network.state.withLock { state in
                guard state.room > 0 else { return false }
                state.room -= 1
                state.unflushed += 1
                state.sent[pair].append(Frame(header: header, bytes: bytes))
                return true
            }
        }

        func flush() { network.state.withLock { $0.unflushed = 0 } }

        func receive(into buffers: [GuestBuffers]) -> Int? {
            let next = network.state.withLock { $0.incoming[pair].isEmpty ? nil : $0.incoming[pair].removeFirst() }
            guard let next else { return nil }
            let header = next.header.bytes
            let bytes = (0..<12).map { header[$0] } + next.bytes
            var done = 0
            for segment in buffers.flatMap({ Array($0.segments) }) {
                let count = min(segment.iov_len, bytes.count - done)
                segment.iov_base?.copyMemory(from: Array(bytes[done..<done + count]), byteCount: count)
                done += count
            }
            return bytes.count
        }

        func wait(forFrames: Bool, forRoom: Bool) {
            network.state.withLock { state in
                state.waits.append("\(forFrames ? "frames" : "")\(forRoom ? "room" : "")")
            }
        }
    }
}

/// The driver of a network device with one pair of queues.
struct NetworkDriver {
    static let received: UInt64 = 0x8_0000
    static let sent: UInt64 = 0xc_0000
    static let commands: UInt64 = 0xf_0000

    let network: MemoryNetwork
    let bench: MMIOBench<VirtioNet>
    var receive: DriverModel
    var transmit: DriverModel
    var control: DriverModel
    var random: SeededGenerator
    private var order: [UInt16: [(place: UInt64, length: Int)]] = [:]

    init(
        _ network: MemoryNetwork = MemoryNetwork(), without: VirtioFeatures = [], size: UInt16 = 16, seed: UInt64 = 0,
        sendLimiter: RateLimiter? = nil, receiveLimiter: RateLimiter? = nil
    ) throws {
        self.network = network
        let device = VirtioNet(interface: network, sendLimiter: sendLimiter, receiveLimiter: receiveLimiter)
        bench = try MMIOBench(device, memorySize: 2 << 20)
        let drivers = try bench.startWithDrivers(bench.offered.subtracting(without), size: size)
        (receive, transmit) = (drivers[0], drivers[1])
        control = drivers[bench.offered.subtracting(without).contains(.netMultipleQueues) ? drivers.count - 1 : 2]
        random = SeededGenerator(seed: seed)
    }

    /// Leaves a buffer for frames, in as many parts as are given.
    @discardableResult
    mutating func leave(_ number: UInt64, _ lengths: [Int]) throws -> Bool {
        var place = Self.received + 0x1000 * number
        var parts: [(place: UInt64, length: Int)] = []
        for length in lengths {
            parts.append((place, length))
            place += UInt64(length)
        }
        let buffers = parts.map {
            DriverModel.Buffer(address: GuestAddress($0.place), length: UInt32($0.length), isWritable: true)
        }
        guard let head = try receive.add(buffers, using: &random) else { return false }
        order[head] = parts
        return true
    }

    mutating func runReceive() throws { try bench.run(&receive, queue: 0) }

    /// The frames that arrived, each with its header's bytes.
    mutating func arrived() throws -> [(header: [UInt8], bytes: [UInt8])] {
        var frames: [(header: [UInt8], bytes: [UInt8])] = []
        var rest = try receive.reap()[...]
        while let first = rest.first {
            let head = try contents(first)
            let count = Int(head[10]) | Int(head[11]) << 8
            guard count >= 1, count <= rest.count else { throw NoRoom() }
            var bytes: [UInt8] = []
            for completion in rest.prefix(count) { bytes += try contents(completion) }
            rest.removeFirst(count)
            frames.append((Array(bytes[..<12]), Array(bytes[12...])))
        }
        return frames
    }

    private mutating func contents(_ completion: DriverModel.Completion) throws -> [UInt8] {
        guard let parts = order[completion.head] else { throw NoRoom() }
        var bytes: [UInt8] = []
        for part in parts { bytes += try bench.memory.read(part.length, at: GuestAddress(part.place)) }
        return Array(bytes[..<Int(completion.written)])
    }

    /// Makes a frame available to be sent, cut in parts at random.
    @discardableResult
    mutating func add(_ frame: MemoryNetwork.Frame, number: UInt64 = 0, parts: Int = 2) throws -> Bool {
        let header = frame.header.bytes
        return try add(bytes: (0..<12).map { header[$0] } + frame.bytes, number: number, parts: parts)
    }

    @discardableResult
    mutating func add(bytes: [UInt8], number: UInt64 = 0, parts: Int = 2) throws -> Bool {
        let base = Self.sent + 0x1000 * number
        try bench.memory.write(bytes, at: GuestAddress(base))
        var cuts = Set((1..<parts).map { _ in Int.random(in: 1..<bytes.count, using: &random) }).sorted()
        cuts.append(bytes.count)
        var start = 0
        let buffers = cuts.map { end in
            defer { start = end }
            return DriverModel.Buffer(
                address: GuestAddress(base + UInt64(start)), length: UInt32(end - start), isWritable: false)
        }
        return try transmit.add(buffers, using: &random) != nil
    }

    mutating func runTransmit() throws { try bench.run(&transmit, queue: 1) }

    /// Sends a command; nil where it is not answered.
    mutating func command(_ code: (UInt8, UInt8), _ data: [UInt8]) throws -> UInt8? {
        let place = GuestAddress(Self.commands)
        let answer = GuestAddress(Self.commands + 0x2000)
        try bench.memory.write([code.0, code.1] + data, at: place)
        try bench.memory.store(0xee as UInt8, at: answer)
        _ = try control.add(
            [
                .init(address: place, length: UInt32(2 + data.count), isWritable: false),
                .init(address: answer, length: 1, isWritable: true),
            ], using: &random)
        let index = bench.offered.contains(.netMultipleQueues) ? bench.device.maximumQueueSizes.count - 1 : 2
        try bench.run(&control, queue: UInt32(index))
        guard try control.reap().first?.written == 1 else { return nil }
        return try bench.memory.load(at: answer)
    }
}
