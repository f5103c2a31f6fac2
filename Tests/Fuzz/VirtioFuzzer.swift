import Devices
import GuestMemory
import Virtio

/// One input is what a driver does: writes to rings and buffers, register accesses, notifications, resets. Whatever it
/// is, each kind of device answers it inside of guest RAM, and is as new after a reset.
@_cdecl("LLVMFuzzerTestOneInput")
public func drive(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes: UnsafeBufferPointer(start: start, count: count))
    let bench = Bench(kind: input.byte())
    bench.setUp(input.byte())
    while !input.isEmpty {
        switch input.byte() & 7 {
        case 0: bench.write(input.word(), at: input.half())
        case 1: bench.write(UInt64(input.half()), width: 2, at: 0x402)
        case 2: bench.access(offset: UInt64(input.byte()) * 4, value: input.word())
        case 3: bench.setUp(input.byte())
        case 4: bench.write(UInt64(input.byte()), width: 1, at: input.half())
        case 5: bench.descriptor(input.byte(), at: input.half(), length: input.half(), flags: input.byte())
        case 6: bench.notify(queue: input.byte())
        default: bench.notify(queue: 0)
        }
    }
    for queue in 0..<5 as Range<UInt8> { bench.notify(queue: queue) }
    bench.finish()
    return 0
}

/// The rest of an input; zeros behind its end.
private struct Input {
    let bytes: UnsafeBufferPointer<UInt8>
    var index = 0

    var isEmpty: Bool { index >= bytes.count }

    mutating func byte() -> UInt8 {
        defer { index += 1 }
        return isEmpty ? 0 : bytes[index]
    }

    mutating func half() -> UInt16 { UInt16(byte()) | UInt16(byte()) << 8 }
    mutating func word() -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(byte()) << ($1 * 8) } }
}

/// A device behind its window, with all its queues in the same 64 KiB of RAM from 64 KiB on: descriptors at 0, available
/// ring at 0x400, used ring at 0x800.
private final class Bench {
    static let memory: GuestMemory = {
        do { return try GuestMemory(size: 1 << 20) } catch { fatalError("\(error)") }
    }()
    static let area: UInt64 = 0x1_0000

    let transport: VirtioMMIOTransport
    let doorbell = Doorbell()
    private let balloon: VirtioBalloon?
    private let console: VirtioConsole?
    private let host = Host()
    private let socket: VirtioSocket?
    /// Of a network device in both directions, but not of every one.
    private let limiters: [RateLimiter]

    init(kind: UInt8) {
        try? Self.memory.fill(GuestAddress(Self.area), count: 0x1_0000, with: 0)
        let clock = Clock()
        let limiters = (0..<(kind < 0x80 ? 0 : 2)).map { _ in
            RateLimiter(
                bytes: .init(perSecond: 1_000_000), operations: .init(perSecond: 100), timer: Timer(), now: clock.now)
        }
        self.limiters = limiters
        let device: any VirtioDevice =
            switch kind % 7 {
            case 0: VirtioBlock(storage: Storage(), serial: "fuzz")
            case 1: VirtioEntropy(source: Source())
            case 2: VirtioBalloon(target: 5)
            case 3: VirtioNet(interface: Network(), sendLimiter: limiters.first, receiveLimiter: limiters.last)
            case 4: VirtioConsole(ports: [VirtioConsolePort(isConsole: true, backend: SlowStream())])
            case 5:
                VirtioConsole(
                    ports: ["a", nil, "c"].map {
                        VirtioConsolePort(name: $0, isConsole: $0 == nil, backend: SlowStream())
                    })
            default: VirtioSocket(guestCID: 3, host: host, timer: Timer())
            }
        balloon = device as? VirtioBalloon
        console = device as? VirtioConsole
        socket = device as? VirtioSocket
        transport = VirtioMMIOTransport(
            device: device, memory: Self.memory, interrupt: Line(), doorbell: doorbell, report: { _ = "\($0)" })
    }

    private func set(_ register: UInt64, _ value: UInt64) {
        transport.write(offset: register, width: 4, value: value)
    }

    /// A driver's set-up, with queues of 1 to 64 entries and the features that the options say.
    func setUp(_ options: UInt8) {
        for status: UInt64 in [0, 1, 3] { set(0x70, status) }
        set(0x14, 0)
        let features = transport.read(offset: 0x10, width: 4)
        set(0x24, 0)
        set(0x20, options & 2 == 0 ? features : 0)
        set(0x24, 1)
        set(0x20, 1)
        set(0x70, 0xb)
        for queue in 0..<UInt64(transport.queueCount) {
            set(0x30, queue)
            // A queue may have fewer entries at most.
            set(0x38, min(1 << UInt64(options >> 5 & 7) & 0x7f, transport.read(offset: 0x34, width: 4)))
            for (register, offset) in [(0x80, 0), (0x90, 0x400), (0xa0, 0x800)] as [(UInt64, UInt64)] {
                set(register, Self.area + offset)
                set(register + 4, 0)
            }
            set(0x44, 1)
        }
        set(0x70, 0xf)
    }

    func access(offset: UInt64, value: UInt64) {
        _ = transport.read(offset: offset, width: 4)
        transport.write(offset: offset, width: 4, value: value)
        serve()
    }

    func write(_ value: UInt64, width: UInt64 = 8, at offset: UInt16) {
        let place = min(Self.area + UInt64(offset), Self.area + 0x1_0000 - width)
        for byte in 0..<width {
            try? Self.memory.store(UInt8(truncatingIfNeeded: value >> (8 * byte)), at: GuestAddress(place + byte))
        }
    }

    /// A descriptor that is likely to be sound.
    func descriptor(_ index: UInt8, at offset: UInt16, length: UInt16, flags: UInt8) {
        let place = UInt16(index & 63) * 16
        write(Self.area + UInt64(offset), at: place)
        write(UInt64(length) | UInt64(flags & 7) << 32 | (UInt64(index) + 1) << 48, at: place + 8)
    }

    func notify(queue: UInt8) {
        set(0x50, UInt64(queue))
        balloon?.target = UInt32(queue)
        balloon?.requestStatistics { _ in }
        let input = [UInt8](repeating: queue, count: Int(queue))
        for port in console?.ports ?? [] {
            precondition(port.receive(input.span) <= input.count)
            port.transmitReady()
        }
        console?.resize(columns: UInt16(queue), rows: 1)
        hostActs(queue)
        serve()
    }

    /// What comes from the host's side of a socket device.
    private func hostActs(_ what: UInt8) {
        switch what >> 4 {
        case 1: socket?.timerExpired()
        case 2: socket?.connect(Stream(), toPort: UInt32(what), answer: { _ in })
        case 3: host.streams.last?.act(what)
        case 4: for limiter in limiters { limiter.timerExpired() }
        default: break
        }
    }

    private func serve() {
        // A device that asks for itself again and again gets its turns, but not for ever.
        for _ in 0..<200 {
            guard let queue = doorbell.rung.popFirst() else { break }
            transport.queueNotified(queue)
        }
    }

    func finish() {
        transport.powerOff()
        precondition(host.streams.allSatisfy { $0.isClosed })
        precondition(transport.read(offset: 0x70, width: 4) == 0 && transport.read(offset: 0x60, width: 4) == 0)
        setUp(0x60)
        precondition(transport.read(offset: 0x70, width: 4) == 0xf)
        transport.powerOff()
    }
}

private final class Doorbell: VirtioDoorbell, @unchecked Sendable {
    var rung: Set<Int> = []
    func ring(queue: Int) { rung.insert(queue) }
}

private final class Line: InterruptTrigger {
    func trigger() {}
}

private final class Source: EntropySource {
    func fill(_ bytes: inout MutableSpan<UInt8>) {
        for index in bytes.indices { bytes[index] = 0xaa }
    }
}

/// Goes on by a millisecond whenever somebody looks.
private final class Clock: @unchecked Sendable {
    private var time: UInt64 = 0

    @Sendable func now() -> UInt64 {
        time += 1_000_000
        return time
    }
}

private final class Timer: DeviceTimer {
    func schedule(after nanoseconds: UInt64?) {}
}

/// Services at every second port.
private final class Host: SocketHost, @unchecked Sendable {
    var streams: [Stream] = []

    func openStream(port: UInt32, fromGuestPort guestPort: UInt32) -> (any SocketStream)? {
        guard port % 2 == 0 else { return nil }
        let stream = Stream()
        streams.append(stream)
        precondition(streams.filter { !$0.isClosed }.count <= VirtioSocket.connectionLimit)
        return stream
    }
}

/// Has some bytes to read, and takes some of what is written when it is told to.
private final class Stream: SocketStream, @unchecked Sendable {
    var left = 700
    var keptByteCount = 0
    var isOutputGone = false
    var isClosed = false
    var changed: (@Sendable () -> Void)?

    func act(_ what: UInt8) {
        if what & 4 != 0 { keptByteCount /= 2 } else { left += 99 }
        if what & 8 != 0 { isOutputGone = true }
        changed?()
    }

    func start(changed: @escaping @Sendable () -> Void) { self.changed = changed }

    func read(into buffers: GuestBuffers) -> SocketRead {
        precondition(buffers.byteCount > 0)
        if isOutputGone { return .end }
        var done = 0
        for segment in buffers.segments where done < left {
            let count = min(segment.iov_len, left - done)
            for index in 0..<count { segment.iov_base?.storeBytes(of: 0x77, toByteOffset: index, as: UInt8.self) }
            done += count
        }
        left -= done
        return done > 0 ? .bytes(done) : .nothing
    }

    func write(_ buffers: GuestBuffers) {
        precondition(buffers.segments.reduce(0) { $0 + UInt64($1.iov_len) } == buffers.byteCount)
        keptByteCount += Int(buffers.byteCount)
        precondition(keptByteCount <= Int(VirtioSocket.bufferSize))
    }

    func setReading(_ isReading: Bool) {}
    func endOutput() {}
    func endInput() {}

    func close() {
        isClosed = true
        keptByteCount = 0
        changed = nil
    }
}

/// 64 KiB in memory.
private final class Storage: BlockStorage, @unchecked Sendable {
    let properties = BlockProperties(byteCount: 0x1_0000)
    var bytes = [UInt8](repeating: 0x55, count: 0x1_0000)

    func makeLane(depth: UInt16, completed: @escaping @Sendable () -> Void) -> any BlockLane { Lane(self, depth) }

    private final class Lane: BlockLane {
        let storage: Storage
        let depth: UInt16
        var ended: [UInt16] = []

        init(_ storage: Storage, _ depth: UInt16) {
            self.storage = storage
            self.depth = depth
        }

        private func end(_ tag: UInt16, _ offset: UInt64, _ count: UInt64) {
            precondition(tag < depth && !ended.contains(tag))
            precondition(offset % 512 == 0 && count % 512 == 0 && offset + count <= 0x1_0000)
            ended.append(tag)
        }

        func read(into buffers: GuestBuffers, at offset: UInt64, tag: UInt16) {
            end(tag, offset, buffers.byteCount)
            var place = Int(offset)
            for segment in buffers.segments {
                for index in 0..<segment.iov_len {
                    segment.iov_base?.storeBytes(of: storage.bytes[place], toByteOffset: index, as: UInt8.self)
                    place += 1
                }
            }
            precondition(UInt64(place) == offset + buffers.byteCount)
        }

        func write(_ buffers: GuestBuffers, at offset: UInt64, isDurable: Bool, tag: UInt16) {
            end(tag, offset, buffers.byteCount)
            var place = Int(offset)
            for segment in buffers.segments {
                for index in 0..<segment.iov_len {
                    storage.bytes[place] = segment.iov_base?.load(fromByteOffset: index, as: UInt8.self) ?? 0
                    place += 1
                }
            }
        }

        func flush(tag: UInt16) { end(tag, 0, 0) }
        func discard(at offset: UInt64, byteCount: UInt64, tag: UInt16) { end(tag, offset, byteCount) }

        func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool, isDurable: Bool, tag: UInt16) {
            end(tag, offset, byteCount)
        }

        func submit() {}
        func nextCompletion() -> BlockCompletion? {
            ended.popLast().map { BlockCompletion(tag: $0, isSuccess: $0 % 7 != 3) }
        }
        func wait() {}
    }
}

/// A network that gives back what is sent, cut to what a frame can be, and is full now and then.
private final class Network: NetworkInterface {
    let properties: NetworkProperties = {
        var properties = NetworkProperties(address: 0x0202)
        properties.offloads = [.checksum, .tcp4, .tcp6, .congestion, .udp]
        return properties
    }()
    let isUp = true

    func watchLink(_ changed: @escaping @Sendable () -> Void) {}
    func makeLane(pair: Int, ready: @escaping @Sendable () -> Void) -> any NetworkLane { Lane() }
    func setReceiveOffloads(_ offloads: NetworkOffloads) {}
    func setPairCount(_ count: Int) { precondition(count == 1) }

    private final class Lane: NetworkLane {
        var frames: [[UInt8]] = []
        var attempts = 0

        func send(_ header: NetworkHeader, _ frame: GuestBuffers) -> Bool {
            attempts += 1
            guard attempts % 5 != 0 else { return false }
            precondition((14...UInt64(NetworkHeader.longestFrame)).contains(frame.byteCount))
            let end = UInt64(header.checksumStart) + UInt64(header.checksumOffset) + 2
            precondition(header.flags == 0 || end <= frame.byteCount)
            var bytes: [UInt8] = []
            for segment in frame.segments {
                bytes += UnsafeRawBufferPointer(start: segment.iov_base, count: segment.iov_len)
            }
            if frames.count < 300 { frames.append(bytes) }
            return true
        }

        func flush() {}

        func receive(into buffers: [GuestBuffers]) -> Int? {
            guard let frame = frames.popLast() else { return nil }
            let bytes = [UInt8](repeating: 0, count: 12) + frame
            var done = 0
            for segment in buffers.flatMap({ Array($0.segments) }) where done < bytes.count {
                let count = min(segment.iov_len, bytes.count - done)
                segment.iov_base?.copyMemory(from: Array(bytes[done..<done + count]), byteCount: count)
                done += count
            }
            return bytes.count
        }

        func wait(forFrames: Bool, forRoom: Bool) {}
    }
}

/// A console's other end, which every fifth time has room for half.
private final class SlowStream: ConsoleBackend, @unchecked Sendable {
    var attempts = 0

    func transmit(_ bytes: Span<UInt8>) -> Int {
        attempts += 1
        return attempts % 5 == 0 ? bytes.count / 2 : bytes.count
    }

    func receiveReady() {}
}
