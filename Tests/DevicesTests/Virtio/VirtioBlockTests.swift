import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Devices

/// The block device, as virtio 1.2, 5.2 says it.
@Suite struct VirtioBlockTests {
    private static let size: UInt64 = 1 << 20

    private func driver(
        features: VirtioFeatures? = nil, isImmediate: Bool = true, serial: String = "",
        _ change: (inout BlockProperties) -> Void = { _ in }
    ) throws -> (BlockDriver, MemoryStorage) {
        let storage = MemoryStorage(byteCount: Self.size, isImmediate: isImmediate, change)
        let bench = try MMIOBench(VirtioBlock(storage: storage, serial: serial))
        return (try BlockDriver(bench, features: features), storage)
    }

    @Test func tellsWhatItIs() throws {
        let storage = MemoryStorage(byteCount: Self.size) { $0.blockSize = 1024 }
        let bench = try MMIOBench(VirtioBlock(storage: storage, queueCount: 2))
        func read(_ offset: UInt64, _ width: Int) -> UInt64 {
            bench.transport.read(offset: 0x100 + offset, width: width)
        }
        #expect(bench.read(.deviceID) == 2)
        #expect(read(0, 4) == Self.size / 512 && read(4, 4) == 0)
        #expect(read(12, 4) == 254)
        #expect(read(20, 4) == 1024)
        #expect(read(24, 1) == 2, "4096 is 1024 times two to this")
        #expect(read(34, 2) == 2)
        #expect(read(36, 4) * 512 == 2 << 30 && read(40, 4) == 1 && read(44, 4) == 8)
        #expect(read(48, 4) * 512 == 64 << 20 && read(52, 4) == 1 && read(56, 1) == 1)
        #expect(
            bench.offered
                == VirtioFeatures.common.union([
                    .blockSegmentLimit, .blockSize, .blockFlush, .blockTopology, .blockMultipleQueues, .blockDiscard,
                    .blockWriteZeroes,
                ]))
    }

    @Test func readOnlyDisksOfferNoWrites() throws {
        let (driver, _) = try driver { $0.isReadOnly = true }
        #expect(driver.bench.offered.contains(.blockReadOnly))
        #expect(driver.bench.offered.isDisjoint(with: [.blockDiscard, .blockWriteZeroes, .blockMultipleQueues]))
    }

    @Test func readsAndWrites() throws {
        var (driver, storage) = try driver()
        let before = storage.bytes
        #expect(try driver.perform(type: 0, sector: 3, writable: [512, 1024]) == (0, 1537))
        #expect(try driver.bench.memory.read(1536, at: driver.place(0)) == Array(before[1536..<3072]))

        try driver.bench.memory.write([UInt8](repeating: 0x5a, count: 1024), at: driver.place(0))
        #expect(try driver.perform(type: 1, sector: 2046, readable: [100, 924]) == (0, 1))
        #expect(Array(storage.bytes.suffix(1024)) == [UInt8](repeating: 0x5a, count: 1024))
        #expect(Array(storage.bytes.prefix(1 << 20 - 1024)) == Array(before.prefix(1 << 20 - 1024)))
        #expect(storage.log == ["read 1536 at 1536", "write 1024 at 1047552"])
    }

    @Test func flushes() throws {
        var (driver, storage) = try driver()
        #expect(try driver.perform(type: 4) == (0, 1))
        #expect(storage.log == ["flush"])
    }

    /// A driver that cannot flush relies on every write (5.2.6.2).
    @Test func writesThroughForDriversThatDoNotFlush() throws {
        var (driver, storage) = try driver(features: [.version1, .blockWriteZeroes])
        #expect(try driver.perform(type: 1, readable: [512]) == (0, 1))
        try driver.bench.memory.store(0 as UInt64, at: driver.place(0))
        try driver.bench.memory.store(1 as UInt64, at: GuestAddress(driver.place(0).rawValue + 8))
        #expect(try driver.perform(type: 13, readable: [16]).status == 0)
        #expect(storage.log == ["write 512 at 0, durable", "zero 512 at 0, durable"])
    }

    @Test func identifiesItself() throws {
        var (driver, _) = try driver(serial: "disk-1\u{e9}")
        #expect(try driver.perform(type: 8, writable: [20]) == (0, 21))
        let name = Array("disk-1".utf8)
        #expect(
            try driver.bench.memory.read(20, at: driver.place(0)) == name
                + [UInt8](repeating: 0, count: 20 - name.count))
        #expect(try driver.perform(type: 8, writable: [4]) == (0, 5))
        #expect(try driver.perform(type: 8, writable: [512]) == (0, 20))
    }

    @Test func discardsAndWritesZeroes() throws {
        var (driver, storage) = try driver()
        func range(_ sector: UInt64, _ count: UInt32, _ flags: UInt32) throws {
            try driver.bench.memory.store(sector, at: driver.place(0))
            try driver.bench.memory.store(
                UInt64(count) | UInt64(flags) << 32, at: GuestAddress(driver.place(0).rawValue + 8))
        }
        try range(8, 16, 0)
        #expect(try driver.perform(type: 11, readable: [16]).status == 0)
        #expect(try driver.perform(type: 13, readable: [9, 7]).status == 0)
        try range(2047, 1, 1)
        #expect(try driver.perform(type: 13, readable: [16]).status == 0)
        #expect(storage.log == ["discard 8192 at 4096", "zero 8192 at 4096", "zero 512 at 1048064, discarding"])
        #expect(storage.bytes[4096..<12288].allSatisfy { $0 == 0 } && storage.bytes[4095] != 0)

        for (type, sector, count, flags, status) in [
            (11, 2047, 2, 0, 1), (11, .max, 1, 0, 1), (11, 1 << 55, 1, 0, 1), (11, 0, .max, 0, 1),
            (11, 0, 1, 1, 2), (11, 0, 1, 2, 2), (13, 0, 1, 2, 2), (13, 0, 1, .max, 2), (13, 2048, 1, 0, 1),
            (13, 0, 0, 0, 0),
        ] as [(UInt32, UInt64, UInt32, UInt32, UInt8)] {
            try range(sector, count, flags)
            #expect(
                try driver.perform(type: type, readable: [16]).status == status, "\(type) \(sector) \(count) \(flags)")
        }
        // One segment, whole.
        for length: UInt32 in [1, 15, 17, 32] {
            #expect(try driver.perform(type: 11, readable: [length]).status == 1)
        }
        #expect(try driver.perform(type: 11).status == 1)
        #expect(storage.log.count == 3)
    }

    struct Wrong: Sendable {
        var type: UInt32
        var sector: UInt64 = 0
        var readable: [UInt32] = []
        var writable: [UInt32] = []
        var status: UInt8 = 1
    }

    @Test(arguments: [
        Wrong(type: 0, sector: 2048, writable: [512]), Wrong(type: 0, sector: 2047, writable: [1024]),
        Wrong(type: 0, writable: [511]), Wrong(type: 0, writable: [1]), Wrong(type: 1, readable: [513]),
        Wrong(type: 0, sector: .max, writable: [512]), Wrong(type: 0, sector: 1 << 55, writable: [512]),
        Wrong(type: 1, sector: 1 << 55, readable: [512]), Wrong(type: 1, sector: 2048, readable: [512]),
        Wrong(type: 2, status: 2), Wrong(type: 3, status: 2), Wrong(type: 5, status: 2), Wrong(type: .max, status: 2),
        Wrong(type: 14, readable: [16], status: 2), Wrong(type: 0, sector: 2049),
    ])
    func wrongRequestsFailForThemselves(_ wrong: Wrong) throws {
        var (driver, storage) = try driver()
        let result = try driver.perform(
            type: wrong.type, sector: wrong.sector, readable: wrong.readable, writable: wrong.writable)
        #expect(result.status == wrong.status)
        // What was not written does not count.
        #expect(result.written == (wrong.writable.isEmpty ? 1 : 0))
        #expect(storage.log.isEmpty)
        #expect(!driver.bench.status.contains(.needsReset))
        #expect(try driver.perform(type: 0, writable: [512]) == (0, 513))
    }

    @Test func requestsWithoutDataHaveNothingToDo() throws {
        var (driver, storage) = try driver()
        #expect(try driver.perform(type: 0, sector: 2048) == (0, 1))
        #expect(try driver.perform(type: 1, sector: 1) == (0, 1))
        #expect(storage.log.isEmpty)
    }

    @Test func readOnlyDisksRefuseWrites() throws {
        var (driver, storage) = try driver { $0.isReadOnly = true }
        for (type, readable) in [(1, [512]), (11, [16]), (13, [16])] as [(UInt32, [UInt32])] {
            #expect(try driver.perform(type: type, readable: readable).status != 0)
        }
        #expect(storage.log.isEmpty)
        #expect(try driver.perform(type: 0, writable: [512]) == (0, 513))
    }

    @Test func blocksAreTheUnit() throws {
        var (driver, _) = try driver { $0.blockSize = 4096 }
        #expect(try driver.perform(type: 0, sector: 8, writable: [4096]).status == 0)
        #expect(try driver.perform(type: 0, sector: 7, writable: [4096]).status == 1)
        #expect(try driver.perform(type: 0, sector: 8, writable: [512]).status == 1)
    }

    @Test func requestsWithoutHeaderOrStatusCostTheDevice() throws {
        for buffers in [
            [DriverModel.Buffer(address: 0x8_0000, length: 16, isWritable: false)],
            [
                .init(address: 0x8_0000, length: 15, isWritable: false),
                .init(address: 0x8_1000, length: 1, isWritable: true),
            ],
            [.init(address: 0x8_1000, length: 600, isWritable: true)],
        ] {
            var (driver, storage) = try driver()
            var random = SeededGenerator(seed: 1)
            _ = try driver.driver.add(buffers, using: &random)
            try driver.run()
            #expect(driver.bench.log.failures == [.malformedRequest(queue: 0)])
            #expect(driver.bench.status.contains(.needsReset))
            #expect(storage.log.isEmpty)
        }
    }

    @Test func failuresOfTheStorageReachTheGuest() throws {
        var (driver, storage) = try driver()
        storage.state.withLock { $0.isBroken = true }
        #expect(try driver.perform(type: 0, writable: [512]) == (1, 0))
        #expect(try driver.perform(type: 1, readable: [512]) == (1, 1))
        #expect(try driver.perform(type: 4) == (1, 1))
        storage.state.withLock { $0.isBroken = false }
        #expect(try driver.perform(type: 0, writable: [512]) == (0, 513))
        #expect(!driver.bench.status.contains(.needsReset))
    }

    @Test func savesOnlyWhatIsAtRest() throws {
        var (driver, storage) = try driver(isImmediate: false)
        _ = try driver.add(0, type: 0, sector: 0, writable: [512])
        try driver.run()
        #expect(storage.pendingCount == 1 && driver.bench.transport.state == nil)
        storage.endOne(using: &driver.random)
        #expect(driver.bench.transport.state?.control.queues[0].position == 1)
    }
}
