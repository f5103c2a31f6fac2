import GuestMemory
import Synchronization
import TestSupport
import Testing
import Virtio

@testable import Devices

/// A server that answers with what it was asked, and refuses what begins with 0.
private final class EchoHost: FileSystemHost {
    let resets = Atomic<Int>(0)
    let requests = Mutex<[[UInt8]]>([])

    func serve(_ request: borrowing VirtqueueRequest) -> UInt32? {
        var bytes = [UInt8](repeating: 0, count: Int(request.readableBytes))
        var span = bytes.mutableSpan
        _ = request.read(at: 0, into: &span)
        requests.withLock { $0.append(bytes) }
        guard bytes.first != 0 else { return nil }
        return UInt32(request.write(bytes.span, at: 0))
    }

    func reset() { resets.add(1, ordering: .relaxed) }
}

struct VirtioFileSystemTests {
    private let host: EchoHost
    private let bench: MMIOBench<VirtioFileSystem>

    init() throws {
        host = EchoHost()
        bench = try MMIOBench(VirtioFileSystem(tag: "work", host: host))
    }

    /// Makes a request with `bytes` and room for as many available.
    private func add(_ bytes: [UInt8], to driver: inout DriverModel, room: UInt32, place: UInt64 = 0x8_0000) throws {
        var generator = SeededGenerator(seed: 1)
        for (index, byte) in bytes.enumerated() {
            try bench.memory.store(byte, at: GuestAddress(place + UInt64(index)))
        }
        var buffers = [
            DriverModel.Buffer(address: GuestAddress(place), length: UInt32(bytes.count), isWritable: false)
        ]
        if room > 0 {
            buffers.append(.init(address: GuestAddress(place + 0x1000), length: room, isWritable: true))
        }
        guard try driver.add(buffers, using: &generator) != nil else { throw NoRoom() }
    }

    @Test func `the configuration says tag and queues`() {
        let space = bench.device.configuration.bytes
        #expect(bench.read(.deviceID) == 26)
        #expect(space.count == 40)
        #expect(Array(space[..<36]) == Array("work".utf8) + [UInt8](repeating: 0, count: 32))
        #expect(Array(space[36...]) == [1, 0, 0, 0])
        #expect(bench.device.maximumQueueSizes.count == 2)
        #expect(bench.device.features.rawValue == 0)
    }

    @Test(arguments: [
        ("", false), ("a", true), (String(repeating: "x", count: 36), true), (String(repeating: "é", count: 19), false),
        ("a\0b", false),
    ])
    func `a tag has its size`(tag: String, isTag: Bool) { #expect(VirtioFileSystem.isTag(tag) == isTag) }

    @Test(arguments: [0, 1] as [UInt32])
    func `requests of both queues reach the host, and its answers the guest`(queue: UInt32) throws {
        var driver = try bench.startWithDrivers()[Int(queue)]
        try add([1, 2, 3], to: &driver, room: 2)
        try add([4], to: &driver, room: 0, place: 0x9_0000)
        try bench.run(&driver, queue: queue)
        #expect(try driver.reap().map(\.written) == [2, 0])
        #expect(host.requests.withLock { $0 } == [[1, 2, 3], [4]])
        #expect(try bench.memory.load(UInt16.self, at: 0x8_1000) == 0x0201)
        #expect(bench.log.failures.isEmpty)
        #expect(bench.interrupt.edges == 1)
    }

    @Test func `a request that cannot be answered costs the guest its device`() throws {
        var driver = try bench.startWithDrivers()[1]
        try add([0], to: &driver, room: 8)
        try bench.run(&driver, queue: 1)
        #expect(bench.log.failures == [.malformedRequest(queue: 1)])
        #expect(bench.status.contains(.needsReset))
        bench.setStatus([])
        #expect(host.resets.load(ordering: .relaxed) == 1)
        // A driver begins with empty rings.
        for ring in [driver.state.availableRing, driver.state.usedRing] {
            for offset in stride(from: 0 as UInt64, to: 80, by: 8) {
                try bench.memory.store(0 as UInt64, at: GuestAddress(ring.rawValue + offset))
            }
        }
        driver = try bench.startWithDrivers()[1]
        try add([7], to: &driver, room: 1)
        try bench.run(&driver, queue: 1)
        #expect(try driver.reap().map(\.written) == [1])
    }

    @Test func `a malformed chain costs the guest its device`() throws {
        let driver = try bench.startWithDrivers()[1]
        let ring = driver.state.availableRing.rawValue
        try bench.memory.store(200 as UInt16, at: GuestAddress(ring + 4))
        try bench.memory.store(1 as UInt16, at: GuestAddress(ring + 2))
        bench.write(.queueNotify, 1)
        bench.serve()
        #expect(bench.status.contains(.needsReset))
    }

    @Test func `a driver that leaves a queue out has none`() throws {
        bench.negotiate()
        bench.start()
        for queue in 0..<2 as Range<UInt32> { bench.write(.queueNotify, queue) }
        bench.serve()
        #expect(bench.log.failures.isEmpty)
        #expect(bench.device.queueStates == nil)
        bench.setStatus([])
        #expect(bench.device.queueStates?.count == 2)
    }
}
