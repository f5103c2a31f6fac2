import Dispatch
import Glibc
import GuestMemory
import Synchronization
import TestSupport
import Testing

@testable import Virtio

/// Device against driver model: whatever a correct driver does, each request arrives once and whole, and comes back
/// once with its length; nobody waits for a notification that does not come.
@Suite struct DriverModelTests {
    struct Setup: Sendable, CustomTestStringConvertible {
        let size: UInt16
        let indirect: Bool
        let eventIndex: Bool
        var testDescription: String { "\(size)\(indirect ? ", indirect" : "")\(eventIndex ? ", event index" : "")" }
    }

    static let setups: [Setup] = [1, 2, 4, 16, 64].flatMap { size in
        [false, true].flatMap { indirect in
            [false, true].map { Setup(size: size, indirect: indirect, eventIndex: $0) }
        }
    }

    private static let buffers: UInt64 = 0x40000
    private static let tables: UInt64 = 0x20000
    private static let memorySize: UInt64 = 1 << 20

    private func model(_ setup: Setup) throws -> DriverModel {
        let state = VirtqueueState(
            size: setup.size, descriptorTable: 0x1000, availableRing: 0x5000, usedRing: 0x8000,
            usesIndirectDescriptors: setup.indirect, usesEventIndex: setup.eventIndex)
        return DriverModel(
            memory: try GuestMemory(size: Self.memorySize), state: state, indirectTables: Self.tables)
    }

    private func randomChain(_ setup: Setup, _ random: inout SeededGenerator) -> ([DriverModel.Buffer], inTable: Int) {
        let most = min(Int(setup.size), 24)
        let count = Int.random(
            in: 1...(Int.random(in: 0..<4, using: &random) == 0 ? most : min(most, 4)), using: &random)
        let readable = Int.random(in: 0...count, using: &random)
        let chain = (0..<count).map { position in
            let length = UInt32.random(in: 1...300, using: &random)
            let address = UInt64.random(in: Self.buffers...Self.memorySize - UInt64(length), using: &random)
            return DriverModel.Buffer(
                address: GuestAddress(address), length: length, isWritable: position >= readable)
        }
        guard setup.indirect, Bool.random(using: &random) else { return (chain, 0) }
        return (chain, Int.random(in: 1...count, using: &random))
    }

    @Test(arguments: setups)
    func everyRequestArrivesOnceAndReturnsOnce(_ setup: Setup) throws {
        var random = SeededGenerator(
            seed: UInt64(setup.size) << 2 | (setup.indirect ? 2 : 0) | (setup.eventIndex ? 1 : 0))
        var driver = try model(setup)
        let base = try driver.memory.hostPointer(0, 1)
        var queue = try Virtqueue(driver.state, memory: driver.memory)
        var expected: [(head: UInt16, buffers: [DriverModel.Buffer])] = []
        var parked: [ParkedRequest] = []
        var completed: [DriverModel.Completion] = []
        var deviceSleeps = true
        var driverSleeps = true
        var served = 0
        _ = try driver.enableInterrupts()

        // At random first; then nothing is added, and both sides go on until they are done or asleep.
        for round in 0..<3200 {
            switch round < 3000 ? Int.random(in: 0..<6, using: &random) : 2 + round % 4 {
            case 0, 1:
                let (chain, inTable) = randomChain(setup, &random)
                if let head = try driver.add(chain, inTable: inTable, using: &random) {
                    expected.append((head, chain))
                }
            case 2:
                if try driver.publish() { deviceSleeps = false }
            case 3 where !deviceSleeps:
                queue.disableNotifications()
                try queue.beginBatch()
                while let request = try queue.pop() {
                    let (head, buffers) = expected.removeFirst()
                    #expect(request.head == head)
                    let segments = Array(request.readableBuffers.segments) + Array(request.writableBuffers.segments)
                    #expect(segments.map { $0.iov_len } == buffers.map { Int($0.length) })
                    #expect(segments.map { $0.iov_base } == buffers.map { base + Int($0.address.rawValue) })
                    #expect(request.readableCount == buffers.count { !$0.isWritable })
                    parked.append(queue.park(request))
                    served += 1
                }
                deviceSleeps = !queue.enableNotifications()
            case 4 where !parked.isEmpty:
                for _ in 0..<Int.random(in: 1...parked.count, using: &random) {
                    let index = parked.indices.randomElement(using: &random) ?? 0
                    let request = try queue.unparkOne(parked.remove(at: index))
                    let written = UInt32.random(in: 0...UInt32(request.writableBytes), using: &random)
                    completed.append(.init(head: request.head, written: written))
                    queue.complete(request, written: written)
                }
                if queue.publish() { driverSleeps = false }
            case 5 where !driverSleeps:
                try driver.disableInterrupts()
                for completion in try driver.reap() { #expect(completion == completed.removeFirst()) }
                driverSleeps = try !driver.enableInterrupts()
            default: break
            }
        }
        #expect(deviceSleeps && driverSleeps)
        #expect(expected.isEmpty && parked.isEmpty && completed.isEmpty)
        #expect(driver.freeCount == Int(setup.size))
        #expect(queue.state?.nextUsed == driver.lastUsed)
        #expect(served > 100)
        #expect(queue.isBroken == false)
    }

    /// Both sides on threads of their own, asleep unless notified: a lost notification would end in the time limit.
    @Test(.timeLimit(.minutes(1)), arguments: [false, true], [false, true])
    func nobodySleepsForever(_ eventIndex: Bool, _ indirect: Bool) throws {
        let setup = Setup(size: 16, indirect: indirect, eventIndex: eventIndex)
        let rounds = 20_000
        let model = try model(setup)
        let doorbell = DispatchSemaphore(value: 0)
        let interrupt = DispatchSemaphore(value: 0)
        let failures = Mutex<[String]>([])
        // The device fills each buffer with the head's low byte; the driver checks and counts.
        DispatchQueue.concurrentPerform(iterations: 2) { side in
            do {
                if side == 0 {
                    try drive(model, rounds: rounds, doorbell: doorbell, interrupt: interrupt)
                } else {
                    try serve(model, rounds: rounds, doorbell: doorbell, interrupt: interrupt)
                }
            } catch { failures.withLock { $0.append("\(side): \(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
    }

    private func drive(
        _ model: DriverModel, rounds: Int, doorbell: DispatchSemaphore, interrupt: DispatchSemaphore
    ) throws {
        var driver = model
        var random = SeededGenerator(seed: 9)
        var added = 0
        var reaped = 0
        var places: [UInt16: GuestAddress] = [:]
        while reaped < rounds {
            for _ in 0..<Int.random(in: 1...8, using: &random) where added < rounds {
                let address = GuestAddress(Self.buffers + 64 * UInt64(added % 1024))
                let inTable = model.state.usesIndirectDescriptors ? 1 : 0
                let buffer = DriverModel.Buffer(address: address, length: 8, isWritable: true)
                guard let head = try driver.add([buffer], inTable: inTable, using: &random) else { break }
                places[head] = address
                added += 1
            }
            if try driver.publish() { doorbell.signal() }
            try driver.disableInterrupts()
            let completions = try driver.reap()
            reaped += completions.count
            for completion in completions {
                let place = places.removeValue(forKey: completion.head) ?? 0
                guard try driver.memory.load(UInt64.self, at: place) == UInt64(completion.head) + 1,
                    completion.written == 8
                else { throw DriverConfusion.notMine(UInt64(completion.head)) }
                try driver.memory.store(0 as UInt64, at: place)
            }
            if reaped < rounds, driver.freeCount == 0 || added == rounds {
                if try !driver.enableInterrupts() { interrupt.wait() }
            }
        }
    }

    private func serve(
        _ model: DriverModel, rounds: Int, doorbell: DispatchSemaphore, interrupt: DispatchSemaphore
    ) throws {
        var queue = try Virtqueue(model.state, memory: model.memory)
        var served = 0
        while served < rounds {
            queue.disableNotifications()
            try queue.beginBatch()
            while let request = try queue.pop() {
                var bytes = InlineArray<8, UInt8>(repeating: 0)
                bytes[0] = UInt8(truncatingIfNeeded: request.head &+ 1)
                _ = request.write(bytes.span, at: 0)
                queue.complete(request, written: 8)
                served += 1
            }
            if queue.publish() { interrupt.signal() }
            if !queue.enableNotifications(), served < rounds { doorbell.wait() }
        }
    }
}
