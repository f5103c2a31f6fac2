import CLinux
import GuestMemory
import Synchronization
import TestSupport
import Virtio

@testable import Devices

/// A storage in memory, whose operations end when the test says so.
final class MemoryStorage: BlockStorage {
    /// An operation that is going on, with what it does when it ends. Only one thread of a test at a time has it.
    struct Operation: @unchecked Sendable {
        let lane: Int
        let tag: UInt16
        let work: (inout [UInt8]) -> Void
    }

    struct State {
        var bytes: [UInt8]
        var pending: [Operation] = []
        var ended: [(lane: Int, completion: BlockCompletion)] = []
        var laneCount = 0
        var log: [String] = []
        /// Whether operations fail.
        var isBroken = false
        var waits = 0
    }

    let properties: BlockProperties
    /// Whether operations are over when they are submitted.
    let isImmediate: Bool
    let state: Mutex<State>
    private let callbacks = Mutex<[@Sendable () -> Void]>([])

    init(byteCount: UInt64, isImmediate: Bool = true, _ change: (inout BlockProperties) -> Void = { _ in }) {
        var properties = BlockProperties(byteCount: byteCount)
        change(&properties)
        self.properties = properties
        self.isImmediate = isImmediate
        state = Mutex(State(bytes: (0..<Int(byteCount)).map { UInt8(truncatingIfNeeded: $0 / 512 &* 7 &+ $0) }))
    }

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var log: [String] { state.withLock { $0.log } }
    var pendingCount: Int { state.withLock { $0.pending.count } }

    func makeLane(depth: UInt16, completed: @escaping @Sendable () -> Void) -> any BlockLane {
        let number = state.withLock { state in
            defer { state.laneCount += 1 }
            return state.laneCount
        }
        callbacks.withLock { $0.append(completed) }
        return Lane(self, number)
    }

    /// Ends a pending operation; which one the generator says. False if there is none.
    @discardableResult
    func endOne(using random: inout SeededGenerator) -> Bool {
        guard let lane = state.withLock({ Self.endOne(&$0, &random) }) else { return false }
        callbacks.withLock { $0[lane] }()
        return true
    }

    private static func endOne(_ state: inout State, _ random: inout SeededGenerator) -> Int? {
        guard let index = state.pending.indices.randomElement(using: &random) else { return nil }
        let operation = state.pending.remove(at: index)
        end(operation, &state)
        return operation.lane
    }

    private static func end(_ operation: Operation, _ state: inout State) {
        if !state.isBroken { operation.work(&state.bytes) }
        state.ended.append((operation.lane, BlockCompletion(tag: operation.tag, isSuccess: !state.isBroken)))
    }

    private final class Lane: BlockLane {
        let storage: MemoryStorage
        let number: Int

        init(_ storage: MemoryStorage, _ number: Int) {
            self.storage = storage
            self.number = number
        }

        private func start(_ tag: UInt16, _ text: String, _ work: @escaping (inout [UInt8]) -> Void) {
            let operation = Operation(lane: number, tag: tag, work: work)
            storage.state.withLock { state in
                state.log.append(text)
                state.pending.append(operation)
            }
        }

        func read(into buffers: GuestBuffers, at offset: UInt64, tag: UInt16) {
            let segments = Array(buffers.segments)
            start(tag, "read \(buffers.byteCount) at \(offset)") { bytes in
                var place = Int(offset)
                for segment in segments {
                    segment.iov_base?.copyMemory(
                        from: Array(bytes[place..<place + segment.iov_len]), byteCount: segment.iov_len)
                    place += segment.iov_len
                }
            }
        }

        func write(_ buffers: GuestBuffers, at offset: UInt64, isDurable: Bool, tag: UInt16) {
            let segments = Array(buffers.segments)
            start(tag, "write \(buffers.byteCount) at \(offset)\(isDurable ? ", durable" : "")") { bytes in
                var place = Int(offset)
                for segment in segments {
                    let data = UnsafeRawBufferPointer(start: segment.iov_base, count: segment.iov_len)
                    bytes.replaceSubrange(place..<place + segment.iov_len, with: data)
                    place += segment.iov_len
                }
            }
        }

        func flush(tag: UInt16) { start(tag, "flush") { _ in } }

        func discard(at offset: UInt64, byteCount: UInt64, tag: UInt16) {
            start(tag, "discard \(byteCount) at \(offset)") { _ in }
        }

        func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool, isDurable: Bool, tag: UInt16) {
            start(
                tag, "zero \(byteCount) at \(offset)\(mayDiscard ? ", discarding" : "")\(isDurable ? ", durable" : "")"
            ) { bytes in
                for place in Int(offset)..<Int(offset + byteCount) { bytes[place] = 0 }
            }
        }

        func submit() {
            guard storage.isImmediate else { return }
            storage.state.withLock { state in
                for operation in state.pending { MemoryStorage.end(operation, &state) }
                state.pending = []
            }
        }

        func nextCompletion() -> BlockCompletion? {
            let number = number
            return storage.state.withLock { state in
                guard let index = state.ended.firstIndex(where: { $0.lane == number }) else { return nil }
                return state.ended.remove(at: index).completion
            }
        }

        func wait() {
            let number = number
            storage.state.withLock { state in
                state.waits += 1
                guard let index = state.pending.firstIndex(where: { $0.lane == number }) else { return }
                MemoryStorage.end(state.pending.remove(at: index), &state)
            }
        }
    }
}

/// The driver of a block device: requests as virtio 1.2, 5.2.6 says them, one at a time or many.
struct BlockDriver {
    static let headers: UInt64 = 0x6_0000
    static let statuses: UInt64 = 0x7_0000
    static let data: UInt64 = 0x8_0000

    let bench: MMIOBench<VirtioBlock>
    var driver: DriverModel
    var random: SeededGenerator
    let queue: UInt32

    init(
        _ bench: MMIOBench<VirtioBlock>, features: VirtioFeatures? = nil, size: UInt16 = 16, queue: Int = 0,
        seed: UInt64 = 0
    ) throws {
        self.bench = bench
        driver = try bench.startWithDrivers(features ?? bench.offered, size: size)[queue]
        random = SeededGenerator(seed: seed)
        self.queue = UInt32(queue)
    }

    /// Where request `number` has its 4 KiB of data.
    func place(_ number: UInt64) -> GuestAddress { GuestAddress(Self.data + 0x1000 * number) }

    /// Makes request `number` available.
    /// - Parameter parts: data to read and to write.
    mutating func add(
        _ number: UInt64, type: UInt32, sector: UInt64, readable: [UInt32] = [], writable: [UInt32] = []
    ) throws -> UInt16? {
        let header = GuestAddress(Self.headers + 16 * number)
        let status = GuestAddress(Self.statuses + number)
        try bench.memory.store(type, at: header)
        try bench.memory.store(sector, at: GuestAddress(header.rawValue + 8))
        try bench.memory.store(0xee as UInt8, at: status)
        var place = place(number).rawValue
        var buffers = [DriverModel.Buffer(address: header, length: 16, isWritable: false)]
        for (lengths, isWritable) in [(readable, false), (writable, true)] {
            for length in lengths {
                buffers.append(.init(address: GuestAddress(place), length: length, isWritable: isWritable))
                place += UInt64(length)
            }
        }
        buffers.append(.init(address: status, length: 1, isWritable: true))
        let inTable = Bool.random(using: &random) ? buffers.count : 0
        return try driver.add(buffers, inTable: driver.state.usesIndirectDescriptors ? inTable : 0, using: &random)
    }

    func status(_ number: UInt64) throws -> UInt8 { try bench.memory.load(at: GuestAddress(Self.statuses + number)) }

    mutating func run() throws { try bench.run(&driver, queue: queue) }

    /// Carries out one request whole: its status, and the bytes the device says it wrote.
    mutating func perform(
        type: UInt32, sector: UInt64 = 0, readable: [UInt32] = [], writable: [UInt32] = []
    ) throws -> (status: UInt8, written: UInt32?) {
        _ = try add(0, type: type, sector: sector, readable: readable, writable: writable)
        try run()
        return (try status(0), try driver.reap().first?.written)
    }
}
