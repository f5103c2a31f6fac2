import CLinux
import GuestMemory
import Synchronization
import TestSupport
import Virtio

@testable import Devices

/// A stream whose other side the test is.
final class MemoryStream: SocketStream {
    struct State {
        /// What the test sent and the device did not read yet.
        var input: [UInt8] = []
        var isInputEnded = false
        /// What came through.
        var output: [UInt8] = []
        /// What the test takes before the rest is kept.
        var room = Int.max
        var kept: [UInt8] = []
        /// The most that was ever kept.
        var mostKept = 0
        var isOutputGone = false
        var isReading = false
        var hasOutputEnded = false
        var hasInputEnded = false
        var isClosed = false
        var changed: (@Sendable () -> Void)?
    }

    let state = Mutex(State())

    var output: [UInt8] { state.withLock { $0.output } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var hasOutputEnded: Bool { state.withLock { $0.hasOutputEnded && $0.kept.isEmpty } }
    var hasInputEnded: Bool { state.withLock { $0.hasInputEnded } }
    var unread: Int { state.withLock { $0.input.count } }

    // MARK: The test's side

    func send(_ bytes: [UInt8]) {
        state.withLock { $0.input += bytes }
        tellIfReading()
    }

    func finish(isGone: Bool = false) {
        state.withLock { state in
            state.isInputEnded = true
            if isGone { state.isOutputGone = true }
        }
        tellIfReading()
    }

    /// The test takes `count` bytes more.
    func take(_ count: Int) {
        let changed = state.withLock { state in
            let taken = min(count, state.kept.count)
            state.output += state.kept.prefix(taken)
            state.kept.removeFirst(taken)
            if state.room != .max { state.room += count - taken }
            return state.changed
        }
        changed?()
    }

    func setRoom(_ room: Int) { state.withLock { $0.room = room } }

    func leave() {
        let changed = state.withLock { state in
            state.isOutputGone = true
            state.kept = []
            return state.changed
        }
        changed?()
    }

    private func tellIfReading() {
        let changed = state.withLock { $0.isReading ? $0.changed : nil }
        changed?()
    }

    // MARK: The device's side

    func start(changed: @escaping @Sendable () -> Void) { state.withLock { $0.changed = changed } }

    func read(into buffers: GuestBuffers) -> SocketRead {
        state.withLock { state in
            if state.isClosed || state.input.isEmpty { return state.isInputEnded || state.isClosed ? .end : .nothing }
            var done = 0
            for segment in buffers.segments {
                let count = min(segment.iov_len, state.input.count - done)
                for index in 0..<count {
                    segment.iov_base?.storeBytes(of: state.input[done + index], toByteOffset: index, as: UInt8.self)
                }
                done += count
            }
            state.input.removeFirst(done)
            return .bytes(done)
        }
    }

    func write(_ buffers: GuestBuffers) {
        state.withLock { state in
            guard !state.isOutputGone, !state.isClosed else { return }
            var bytes: [UInt8] = []
            for segment in buffers.segments {
                guard let base = segment.iov_base else { continue }
                for index in 0..<segment.iov_len { bytes.append(base.load(fromByteOffset: index, as: UInt8.self)) }
            }
            precondition(UInt64(bytes.count) == buffers.byteCount)
            let taken = state.kept.isEmpty ? min(state.room, bytes.count) : 0
            if state.room != .max { state.room -= taken }
            state.output += bytes.prefix(taken)
            state.kept += bytes.dropFirst(taken)
            state.mostKept = max(state.mostKept, state.kept.count)
        }
    }

    var keptByteCount: Int { state.withLock { $0.kept.count } }
    var isOutputGone: Bool { state.withLock { $0.isOutputGone || $0.isClosed } }
    func setReading(_ isReading: Bool) { state.withLock { $0.isReading = isReading } }
    func endOutput() { state.withLock { $0.hasOutputEnded = true } }
    func endInput() { state.withLock { $0.hasInputEnded = true } }

    func close() {
        let changed = state.withLock { state in
            state.isClosed = true
            state.kept = []
            return state.changed.take()
        }
        withExtendedLifetime(changed) {}
    }
}

/// A host with services at some ports.
final class MemoryHost: SocketHost {
    struct State {
        var ports: Set<UInt32> = [52]
        var streams: [MemoryStream] = []
    }

    let state = Mutex(State())

    var streams: [MemoryStream] { state.withLock { $0.streams } }

    func openStream(port: UInt32, fromGuestPort guestPort: UInt32) -> (any SocketStream)? {
        state.withLock { state in
            guard state.ports.contains(port) else { return nil }
            let stream = MemoryStream()
            state.streams.append(stream)
            return stream
        }
    }
}

/// A timer that rings when the test says so.
final class SocketTimer: DeviceTimer {
    private let asked = Mutex<UInt64?>(nil)
    var time: UInt64? { asked.withLock { $0 } }
    func schedule(after nanoseconds: UInt64?) { asked.withLock { $0 = nanoseconds } }
}

/// What became of a connection that the test asked for.
final class AnswerLog: Sendable {
    private let log = Mutex<[SocketAnswer]>([])
    var answers: [SocketAnswer] { log.withLock { $0 } }
    func add(_ answer: SocketAnswer) { log.withLock { $0.append(answer) } }
}

/// A packet as the guest's driver sees it.
struct GuestPacket: Equatable {
    var source = SocketAddress(cid: 3, port: 1000)
    var destination = SocketAddress(cid: 2, port: 52)
    var length: UInt32?
    var type: UInt16 = 1
    var operation: UInt16
    var flags: UInt32 = 0
    var bufferSize: UInt32 = 1 << 18
    var forwarded: UInt32 = 0
    var data: [UInt8] = []

    init(_ operation: SocketOperation, from port: UInt32 = 1000, to hostPort: UInt32 = 52, data: [UInt8] = []) {
        self.operation = operation.rawValue
        source.port = port
        destination.port = hostPort
        self.data = data
    }

    var bytes: [UInt8] {
        func little(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian) { Array($0) }
        }
        return little(source.cid) + little(destination.cid) + little(source.port) + little(destination.port)
            + little(length ?? UInt32(data.count)) + little(type) + little(operation) + little(flags)
            + little(bufferSize) + little(forwarded) + data
    }

    init(_ bytes: [UInt8]) {
        func value<Value: FixedWidthInteger>(_ offset: Int) -> Value {
            bytes[offset..<offset + MemoryLayout<Value>.size].reversed().reduce(0) { $0 << 8 | Value($1) }
        }
        source = SocketAddress(cid: value(0), port: value(16))
        destination = SocketAddress(cid: value(8), port: value(20))
        length = value(24)
        type = value(28)
        operation = value(30)
        flags = value(32)
        bufferSize = value(36)
        forwarded = value(40)
        data = Array(bytes.dropFirst(44))
    }
}

/// A socket device and its driver.
final class SocketBench {
    let host = MemoryHost()
    let timer = SocketTimer()
    let bench: MMIOBench<VirtioSocket>
    var receive: DriverModel
    var transmit: DriverModel
    var event: DriverModel
    var random = SeededGenerator(seed: 19)
    /// Where the receive buffers in flight are.
    private var buffers: [UInt16: UInt64] = [:]
    private var freeBuffers: [UInt64]
    let bufferSize: UInt32

    /// - Parameters:
    ///   - buffers: how many receive buffers the driver gives at once and again, each as large as `bufferSize`.
    init(buffers count: Int = 8, bufferSize: UInt32 = 1024, device: VirtioSocket? = nil) throws {
        bench = try MMIOBench(device ?? VirtioSocket(guestCID: 3, host: host, timer: timer), memorySize: 4 << 20)
        let drivers = try bench.startWithDrivers(size: 32)
        (receive, transmit, event) = (drivers[0], drivers[1], drivers[2])
        self.bufferSize = bufferSize
        freeBuffers = (0..<UInt64(count)).map { 0x10_0000 + $0 * 0x1_0000 }
        try refill()
    }

    var device: VirtioSocket { bench.device }

    /// Gives all receive buffers that are free to the device, some in parts.
    func refill() throws {
        while let place = freeBuffers.last {
            let cut = UInt32.random(in: 1..<bufferSize, using: &random)
            var parts = [DriverModel.Buffer(address: GuestAddress(place), length: bufferSize, isWritable: true)]
            if Bool.random(using: &random) {
                parts = [
                    .init(address: GuestAddress(place), length: cut, isWritable: true),
                    .init(address: GuestAddress(place + UInt64(cut)), length: bufferSize - cut, isWritable: true),
                ]
            }
            guard let head = try receive.add(parts, using: &random) else { break }
            freeBuffers.removeLast()
            buffers[head] = place
        }
        try bench.run(&receive, queue: 0)
    }

    /// What the device sent since the last call. The buffers are the driver's.
    func take() throws -> [GuestPacket] {
        try receive.reap().map { completion in
            guard let place = buffers.removeValue(forKey: completion.head) else { throw NoRoom() }
            freeBuffers.append(place)
            let packet = GuestPacket(try bench.memory.read(Int(completion.written), at: GuestAddress(place)))
            precondition(packet.data.count == Int(packet.length ?? 0), "a length that is none")
            return packet
        }
    }

    /// What the device sends until there is no more, with buffers for all of it.
    func takeAll() throws -> [GuestPacket] {
        var packets: [GuestPacket] = []
        while true {
            let next = try take()
            if next.isEmpty { return packets }
            packets += next
            try refill()
        }
    }

    /// The driver sends a packet, its header and data parted anywhere.
    func send(_ packet: GuestPacket, bytes: [UInt8]? = nil) throws {
        let bytes = bytes ?? packet.bytes
        let place: UInt64 = 0x30_0000
        try bench.memory.write(bytes, at: GuestAddress(place))
        let cut = UInt32.random(in: 1..<UInt32(bytes.count), using: &random)
        let parts = [
            DriverModel.Buffer(address: GuestAddress(place), length: cut, isWritable: false),
            .init(
                address: GuestAddress(place + UInt64(cut)), length: UInt32(bytes.count) - cut, isWritable: false),
        ]
        guard try transmit.add(parts, using: &random) != nil else { throw NoRoom() }
        try bench.run(&transmit, queue: 1)
    }

    /// Whether the device has taken all that the driver sent.
    func hasTakenAll() throws -> Bool {
        _ = try transmit.reap()
        return transmit.freeCount == Int(transmit.state.size)
    }

    /// A connection from the guest's `port` to the host's 52.
    func connect(from port: UInt32 = 1000, room: UInt32 = 1 << 18) throws -> MemoryStream {
        var request = GuestPacket(.request, from: port)
        request.bufferSize = room
        try send(request)
        guard try hasTakenAll(), let answer = try takeAll().first, answer.operation == 2, let stream = host.streams.last
        else { throw NoRoom() }
        return stream
    }
}
