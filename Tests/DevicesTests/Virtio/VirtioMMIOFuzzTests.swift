import Dispatch
import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Devices

/// A driver that writes anything: the device behind it sees a life as the standard says it, and nobody traps.
@Suite struct VirtioMMIOFuzzTests {
    private static let registers: [UInt64] = Array(stride(from: 0 as UInt64, through: 0x104, by: 4))
    private static let values: [UInt32] = [
        0, 1, 2, 3, 4, 7, 8, 11, 15, 16, 64, 128, 255, 256, 257, 0x1000, 0x4000, 0x8000, 0x1_0000, 0x2_0000, 0xf_ffff,
        0x10_0000, 0x8000_0000, .max,
    ]

    private func step<Device: VirtioDevice>(_ bench: MMIOBench<Device>, _ random: inout SeededGenerator) throws {
        switch Int.random(in: 0..<20, using: &random) {
        case 0: bench.negotiate(Bool.random(using: &random) ? .common : bench.offered)
        case 1:
            let queue = UInt64.random(in: 0...2, using: &random)
            bench.setUp(
                queue: UInt32(queue), bench.place(queue: queue, size: 1 << UInt16.random(in: 0...9, using: &random)))
        case 2: bench.start()
        case 3: bench.serve()
        case 4:
            // Rings full of anything.
            let address = UInt64.random(in: 0x1_0000..<0x4_0000, using: &random) & ~7
            try bench.memory.store(random.next() & random.next(), at: GuestAddress(address))
        case 5, 6:
            let width = [1, 2, 3, 4, 8].randomElement(using: &random) ?? 4
            let offset = UInt64.random(in: 0..<VirtioMMIOTransport.windowSize - 8, using: &random)
            _ = bench.transport.read(offset: offset, width: width)
            bench.transport.write(offset: offset, width: width, value: random.next())
        default:
            let register = Self.registers.randomElement(using: &random) ?? 0
            let value = Self.values.randomElement(using: &random) ?? 0
            bench.transport.write(offset: register, width: 4, value: UInt64(value))
            _ = bench.transport.read(offset: register, width: 4)
        }
    }

    @Test(arguments: 0..<64 as Range<UInt64>)
    func anyDriverLeavesTheDeviceALife(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bench = try MMIOBench(RecordingVirtioDevice())
        for _ in 0..<2000 {
            try step(bench, &random)
            let state = bench.device.state
            #expect(state.broken == [])
            #expect(state.activations.count - state.resets == (state.isActive ? 1 : 0))
            #expect(!state.isActive || bench.status.isSuperset(of: [.driverOK, .featuresOK]))
        }
        for activation in bench.device.state.activations {
            #expect(activation.features.isSubset(of: bench.offered) && activation.features.contains(.version1))
            #expect(activation.queues.count == bench.device.maximumQueueSizes.count)
            for (queue, maximum) in zip(activation.queues, bench.device.maximumQueueSizes) {
                guard let queue else { continue }
                #expect(queue.size <= maximum)
                #expect(throws: Never.self) { try queue.validate(in: bench.memory) }
            }
        }
        // However it was treated, a reset makes it as new.
        _ = try bench.startWithDrivers()
        #expect(bench.device.state.isActive && !bench.status.contains(.needsReset))
    }

    @Test(arguments: 0..<32 as Range<UInt64>)
    func anyDriverLeavesTheEntropyDeviceUsable(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bench = try MMIOBench(VirtioEntropy(source: CountingSource()))
        for _ in 0..<3000 { try step(bench, &random) }
        var driver = try bench.freshDrivers()[0]
        let head = try driver.add([.init(address: 0x8_0000, length: 16, isWritable: true)], using: &random)
        try bench.run(&driver)
        #expect(try driver.reap() == [.init(head: try #require(head), written: 16)])
    }

    /// Several vCPUs and the serving thread at once: for the thread sanitizer too.
    @Test func vCPUsMayFightOverADevice() throws {
        let bench = try MMIOBench(VirtioEntropy(source: CountingSource()))
        DispatchQueue.concurrentPerform(iterations: 4) { vcpu in
            var random = SeededGenerator(seed: UInt64(vcpu))
            for _ in 0..<2000 {
                do { try step(bench, &random) } catch { Issue.record(error) }
            }
        }
        var random = SeededGenerator(seed: 99)
        var driver = try bench.freshDrivers()[0]
        _ = try driver.add([.init(address: 0x8_0000, length: 16, isWritable: true)], using: &random)
        try bench.run(&driver)
        #expect(try driver.reap().map(\.written) == [16])
    }
}

extension MMIOBench {
    /// The device started over empty rings.
    fileprivate func freshDrivers() throws -> [DriverModel] {
        setStatus([])
        _ = rings.take()
        try memory.fill(0x1_0000, count: 0x3_0000, with: 0)
        return try startWithDrivers()
    }
}
