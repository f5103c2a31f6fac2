import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Devices

/// The commands of the network device, and what they do to frames.
@Suite struct VirtioNetControlTests {
    private func frame(to destination: [UInt8]) -> MemoryNetwork.Frame {
        .init(bytes: destination + [UInt8](repeating: 7, count: 60))
    }

    private static let other: [UInt8] = [2, 2, 2, 2, 2, 2]
    private static let group: [UInt8] = [0x33, 0x33, 0, 0, 0, 1]

    /// The destinations, out of five, that frames arrive for.
    private func accepted(_ driver: inout NetworkDriver) throws -> [UInt8] {
        let destinations: [[UInt8]] = [
            [0x52, 2, 3, 4, 5, 6], Self.other, Self.group, [UInt8](repeating: 0xff, count: 6), [1, 0, 0, 0, 0, 1],
        ]
        for number in 0..<6 as Range<UInt64> { try driver.leave(number, [200]) }
        try driver.runReceive()
        driver.network.arrive(destinations.map(frame))
        return try driver.arrived().map { $0.bytes[0] }
    }

    @Test func framesAreFilteredByDestination() throws {
        var driver = try NetworkDriver()
        #expect(try accepted(&driver) == [0x52, 0xff])
        #expect(try driver.command((0, 0), [1]) == 0)
        #expect(try accepted(&driver) == [0x52, 2, 0x33, 0xff, 1])
        #expect(try driver.command((0, 0), [0]) == 0)
        #expect(try driver.command((0, 1), [1]) == 0)
        #expect(try accepted(&driver) == [0x52, 0x33, 0xff, 1])
        #expect(try driver.command((0, 1), [0]) == 0)
        #expect(try driver.command((1, 0), [1, 0, 0, 0] + Self.other + [1, 0, 0, 0] + Self.group) == 0)
        #expect(try accepted(&driver) == [0x52, 2, 0x33, 0xff])
        #expect(try driver.command((1, 0), [0, 0, 0, 0, 0, 0, 0, 0]) == 0)
        #expect(try driver.command((1, 1), Self.other) == 0)
        #expect(driver.bench.device.configuration.bytes.prefix(6) == Self.other[...])
        #expect(try accepted(&driver) == [2, 0xff])
    }

    @Test func aLongTableTakesEverythingOfItsKind() throws {
        var driver = try NetworkDriver()
        let addresses = (0..<65 as Range<UInt8>).flatMap { [2, 0, 0, 0, 1, $0] as [UInt8] }
        #expect(try driver.command((1, 0), [65, 0, 0, 0] + addresses + [0, 0, 0, 0]) == 0)
        #expect(try accepted(&driver) == [0x52, 2, 0xff])
    }

    @Test func withoutTheCommandsEverythingArrives() throws {
        var driver = try NetworkDriver(without: .netControlReceive)
        #expect(try accepted(&driver).count == 5)
        #expect(try driver.command((0, 0), [0]) == 1)
    }

    /// Each is answered by an error, and changes nothing.
    static let wrong: [((UInt8, UInt8), [UInt8])] = [
        ((0, 0), []), ((0, 0), [2]), ((0, 0), [1, 1]), ((0, 1), []), ((0, 2), [1]), ((0, 255), [1]),
        ((1, 0), []), ((1, 0), [0, 0, 0, 0]), ((1, 0), [1, 0, 0, 0, 0, 0, 0, 0]),
        ((1, 0), [255, 255, 255, 255, 0, 0, 0, 0]), ((1, 0), [0, 0, 0, 0, 255, 255, 255, 255]),
        ((1, 0), [0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ((1, 1), [2, 0, 0, 0, 0]), ((1, 1), [3, 0, 0, 0, 0, 0]), ((1, 1), [2, 0, 0, 0, 0, 0, 0]), ((1, 2), []),
        ((2, 0), [0, 0]), ((3, 0), []), ((4, 0), [0, 0]), ((4, 0), [4, 0]), ((4, 0), [1]), ((4, 1), [1, 0]),
        ((5, 0), [1]), ((5, 0), [0, 0, 0, 0, 0, 0, 0, 128]), ((5, 0), [1, 0, 0, 0, 0, 0, 0, 0]), ((255, 255), []),
    ]

    @Test(arguments: wrong)
    func wrongCommandsAreRefused(_ code: (UInt8, UInt8), _ data: [UInt8]) throws {
        let network = MemoryNetwork {
            $0.pairCount = 3
            $0.offloads = VirtioNetTests.all
        }
        var driver = try NetworkDriver(network)
        let before = driver.bench.device.settings.withLock { $0 }
        #expect(try driver.command(code, data) == 1)
        #expect(driver.bench.device.settings.withLock { $0 } == before)
        #expect(driver.bench.log.failures.isEmpty)
    }

    @Test func pairsAndOffloadsAreSwitched() throws {
        let network = MemoryNetwork {
            $0.pairCount = 3
            $0.offloads = VirtioNetTests.all
        }
        var driver = try NetworkDriver(network)
        #expect(network.state.withLock { $0.pairCount } == 1 && network.state.withLock { $0.laneCount } == 3)
        #expect(try driver.command((4, 0), [3, 0]) == 0)
        #expect(network.state.withLock { $0.pairCount } == 3)
        // GUEST_CSUM and GUEST_TSO4.
        #expect(try driver.command((5, 0), [0x82, 0, 0, 0, 0, 0, 0, 0]) == 0)
        #expect(network.state.withLock { $0.receiveOffloads } == [.checksum, .tcp4])
        #expect(try driver.command((5, 0), [0x80, 0, 0, 0, 0, 0, 0, 0]) == 0)
        #expect(network.state.withLock { $0.receiveOffloads } == [])
    }

    /// A driver that knows one pair only has its control queue behind that.
    @Test func theControlQueueFollowsThePairs() throws {
        let network = MemoryNetwork { $0.pairCount = 3 }
        let bench = try MMIOBench(VirtioNet(interface: network))
        var control = try bench.startWithDrivers(bench.offered.subtracting(.netMultipleQueues))[2]
        #expect(network.state.withLock { $0.laneCount } == 1)
        try bench.memory.write([0, 0, 1, 0xee], at: 0xf_0000)
        var random = SeededGenerator(seed: 1)
        _ = try control.add(
            [
                .init(address: 0xf_0000, length: 3, isWritable: false),
                .init(address: 0xf_0003, length: 1, isWritable: true),
            ], using: &random)
        try bench.run(&control, queue: 2)
        #expect(try bench.memory.load(UInt8.self, at: 0xf_0003) == 0)
        #expect(bench.device.settings.withLock { $0.filter.isPromiscuous })
    }

    @Test(arguments: [[(2, false)], [(1, false), (1, true)], [(1, true)]])
    func aCommandWithoutHeaderOrAnswerCostsTheDevice(_ parts: [(length: UInt32, isWritable: Bool)]) throws {
        var driver = try NetworkDriver()
        let buffers = parts.map {
            DriverModel.Buffer(address: 0xf_0000, length: $0.length, isWritable: $0.isWritable)
        }
        _ = try driver.control.add(buffers, using: &driver.random)
        try driver.bench.run(&driver.control, queue: 2)
        #expect(driver.bench.log.failures == [.malformedRequest(queue: 2)])
    }
}
