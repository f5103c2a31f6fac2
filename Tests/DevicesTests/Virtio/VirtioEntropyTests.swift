import GuestMemory
import Synchronization
import TestSupport
import Testing
import Virtio

@testable import Devices

/// Bytes that count up from 1, and skip 0: a byte that is 0 was not filled.
final class CountingSource: EntropySource {
    private let next = Mutex<UInt8>(1)

    func fill(_ bytes: inout MutableSpan<UInt8>) {
        next.withLock { next in
            for index in bytes.indices {
                bytes[index] = next
                next = next == .max ? 1 : next + 1
            }
        }
    }
}

@Suite struct VirtioEntropyTests {
    private func bench() throws -> MMIOBench<VirtioEntropy> { try MMIOBench(VirtioEntropy(source: CountingSource())) }

    @Test(arguments: [[1], [16], [4096], [3, 5, 300], [4095, 2], [1, 1, 1, 1, 1, 1, 1]])
    func fillsWhatThereIsToWrite(lengths: [UInt32]) throws {
        let bench = try bench()
        var random = SeededGenerator(seed: 1)
        var driver = try bench.startWithDrivers()[0]
        var place: UInt64 = 0x8_0000
        let buffers = lengths.map { length in
            defer { place += 0x2000 }
            return DriverModel.Buffer(address: GuestAddress(place), length: length, isWritable: true)
        }
        _ = try driver.add(buffers, using: &random)
        try bench.run(&driver)

        let expected = min(lengths.reduce(0, +), 4096)
        #expect(try driver.reap().map(\.written) == [expected])
        var left = Int(expected)
        for buffer in buffers {
            let bytes = try bench.memory.read(Int(buffer.length) + 1, at: buffer.address)
            let filled = min(left, Int(buffer.length))
            #expect(bytes.prefix(filled).allSatisfy { $0 != 0 } && bytes.dropFirst(filled).allSatisfy { $0 == 0 })
            left -= filled
        }
        #expect(bench.read(.interruptStatus) == 1)
    }

    @Test func takesLittleOfAHugeRequest() throws {
        let bench = try MMIOBench(VirtioEntropy(source: CountingSource()), memorySize: 64 << 20)
        var random = SeededGenerator(seed: 2)
        var driver = try bench.startWithDrivers()[0]
        _ = try driver.add([.init(address: 0x10_0000, length: 60 << 20, isWritable: true)], using: &random)
        try bench.run(&driver)
        #expect(try driver.reap().map(\.written) == [4096])
    }

    @Test func aRequestWithNothingToWriteGetsNothing() throws {
        let bench = try bench()
        var random = SeededGenerator(seed: 3)
        var driver = try bench.startWithDrivers()[0]
        _ = try driver.add([.init(address: 0x8_0000, length: 64, isWritable: false)], using: &random)
        try bench.run(&driver)
        #expect(try driver.reap().map(\.written) == [0])
        #expect(!bench.status.contains(.needsReset))
    }

    @Test func servesOneBatchATime() throws {
        let bench = try bench()
        var random = SeededGenerator(seed: 4)
        var driver = try bench.startWithDrivers()[0]
        for round in 0..<100 {
            for index in 0..<4 as Range<UInt64> {
                _ = try driver.add(
                    [.init(address: GuestAddress(0x8_0000 + 0x100 * index), length: 32, isWritable: true)],
                    inTable: round % 2, using: &random)
            }
            try bench.run(&driver)
            #expect(try driver.reap().map(\.written) == [32, 32, 32, 32])
            _ = try driver.enableInterrupts()
        }
        #expect(bench.interrupt.edges > 0)
    }

    @Test func abrokenRingCostsTheDeviceUntilItsReset() throws {
        let bench = try bench()
        var random = SeededGenerator(seed: 5)
        var driver = try bench.startWithDrivers()[0]
        _ = try driver.add([.init(address: 0xd000_0000, length: 64, isWritable: true)], using: &random)
        try bench.run(&driver)
        #expect(bench.status.contains(.needsReset))
        #expect(bench.read(.interruptStatus) == 2)
        guard case .queue(0, .bufferOutsideRAM) = bench.log.failures.first else {
            Issue.record("\(bench.log.failures)")
            return
        }
        #expect(try driver.reap().isEmpty)
        try bench.memory.fill(0x1_0000, count: 0x1_0000, with: 0)
        driver = try bench.startWithDrivers()[0]
        _ = try driver.add([.init(address: 0x8_0000, length: 64, isWritable: true)], using: &random)
        try bench.run(&driver)
        #expect(try driver.reap().map(\.written) == [64])
    }

    @Test func savesAndRestoresItsPlace() throws {
        let old = try bench()
        var random = SeededGenerator(seed: 6)
        var driver = try old.startWithDrivers()[0]
        for _ in 0..<3 {
            _ = try driver.add([.init(address: 0x8_0000, length: 8, isWritable: true)], using: &random)
            try old.run(&driver)
            _ = try driver.reap()
        }
        let state = try #require(old.transport.state)
        let source = CountingSource()
        let device = VirtioEntropy(source: source)
        let rings = RingLog()
        let new = VirtioMMIOTransport(
            device: device, memory: old.memory, interrupt: EdgeCounter(), doorbell: rings,
            report: { Issue.record("\($0)") })
        try new.restore(state)
        _ = try driver.add([.init(address: 0x8_0000, length: 8, isWritable: true)], using: &random)
        _ = try driver.publish()
        new.write(offset: MMIORegister.queueNotify.rawValue, width: 4, value: 0)
        #expect(rings.take() == [0])
        new.queueNotified(0)
        #expect(try driver.reap().map(\.written) == [8])
    }
}
