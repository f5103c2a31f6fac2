import GuestMemory
import TestSupport
import Testing
import Virtio

@testable import Devices

@Suite struct VirtioConsoleTests {
    private static let simple = VirtioFeatures.common.union([.consoleSize, .consoleEmergencyWrite])
    private static let multiport = VirtioFeatures.common.union([.consoleMultiport, .consoleEmergencyWrite])

    /// A driver of a console device with its backends.
    private struct Machine {
        let bench: MMIOBench<VirtioConsole>
        let backends: [RecordingBackend]
        var drivers: [DriverModel]
        var random = SeededGenerator(seed: 1)
        private var place: UInt64 = 0x10_0000

        init(_ ports: [(name: String?, isConsole: Bool)], _ features: VirtioFeatures, size: UInt16 = 8) throws {
            let backends = ports.map { _ in RecordingBackend() }
            self.backends = backends
            bench = try MMIOBench(
                VirtioConsole(
                    ports: zip(ports, backends).map {
                        VirtioConsolePort(name: $0.name, isConsole: $0.isConsole, backend: $1)
                    }),
                memorySize: 8 << 20)
            drivers = try bench.startWithDrivers(features, size: size)
            bench.serve()
        }

        /// Has the guest write in a queue, parted into buffers of the given lengths.
        mutating func send(_ bytes: [UInt8], parts: [UInt32]? = nil, queue: Int) throws {
            try bench.memory.write(bytes, at: GuestAddress(place))
            let buffers = (parts ?? [UInt32(bytes.count)]).map { length in
                defer { place += UInt64(length) }
                return DriverModel.Buffer(address: GuestAddress(place), length: length, isWritable: false)
            }
            _ = try drivers[queue].add(buffers, using: &random)
            try bench.run(&drivers[queue], queue: UInt32(queue))
        }

        /// Has the guest offer room in a queue.
        mutating func offer(_ lengths: [UInt32], queue: Int) throws -> [GuestAddress] {
            let addresses = try lengths.map { length in
                defer { place += UInt64(length) }
                let address = GuestAddress(place)
                _ = try drivers[queue].add([.init(address: address, length: length, isWritable: true)], using: &random)
                return address
            }
            try bench.run(&drivers[queue], queue: UInt32(queue))
            return addresses
        }

        /// What came into buffers that were offered in this order.
        mutating func received(_ addresses: [GuestAddress], queue: Int) throws -> [[UInt8]] {
            try zip(try drivers[queue].reap(), addresses).map { completion, address in
                try bench.memory.read(Int(completion.written), at: address)
            }
        }

        mutating func control(_ port: UInt32, _ event: ConsoleEvent, _ value: UInt16) throws {
            let bytes = [UInt32](arrayLiteral: port, UInt32(event.rawValue) | UInt32(value) << 16).flatMap { word in
                (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
            }
            try send(bytes, queue: 3)
            _ = try drivers[3].reap()
        }

        var needsReset: Bool { bench.status.contains(.needsReset) }
    }

    private func receive(_ text: String, _ port: VirtioConsolePort) -> Int { port.receive(Array(text.utf8).span) }

    // MARK: One console

    @Test func aSingleConsoleIsASimpleDevice() throws {
        let machine = try Machine([(nil, true)], Self.simple)
        #expect(machine.bench.offered == Self.simple)
        #expect(machine.bench.device.maximumQueueSizes.count == 2)
        #expect(machine.bench.transport.read(offset: 0x104, width: 4) == 1)
    }

    @Test(arguments: [[12], [1, 1, 10], [5, 7]] as [[UInt32]]) func whatTheGuestWritesArrives(parts: [UInt32]) throws {
        var machine = try Machine([(nil, true)], Self.simple)
        try machine.send(Array("hello, host\n".utf8), parts: parts, queue: 1)
        #expect(machine.backends[0].bytes == Array("hello, host\n".utf8))
        #expect(try machine.drivers[1].reap().map(\.written) == [0])
    }

    @Test func aSlowBackendMakesTheGuestWait() throws {
        var machine = try Machine([(nil, true)], Self.simple)
        let sent = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
        machine.backends[0].setRoom(0)
        try machine.send(sent, parts: [1000, 2000], queue: 1)
        try machine.send(Array("next".utf8), queue: 1)
        #expect(try machine.drivers[1].reap().isEmpty && machine.bench.device.queueStates != nil)
        for room in [1, 1023, 1024, 500] {
            machine.backends[0].setRoom(room)
            machine.bench.device.ports[0].transmitReady()
            machine.bench.serve()
            #expect(try machine.drivers[1].reap().isEmpty)
        }
        #expect(machine.backends[0].bytes == Array(sent[..<2548]))
        #expect(machine.bench.device.state.ports[0].sentBytes == 2548)
        machine.backends[0].setRoom(.max)
        machine.bench.device.ports[0].transmitReady()
        machine.bench.serve()
        #expect(machine.backends[0].bytes == sent + Array("next".utf8))
        #expect(try machine.drivers[1].reap().count == 2)
    }

    /// Others get their turns meanwhile.
    @Test func aHugeRequestTakesSeveralTurns() throws {
        var machine = try Machine([(nil, true)], Self.simple)
        let bytes = [UInt8](repeating: 0x2a, count: 1 << 20)
        try machine.bench.memory.write(bytes, at: 0x20_0000)
        _ = try machine.drivers[1].add(
            [.init(address: 0x20_0000, length: 1 << 20, isWritable: false)], using: &machine.random)
        #expect(try machine.drivers[1].publish())
        machine.bench.write(.queueNotify, 1)
        var turns = 0
        while case let rung = machine.bench.rings.take(), !rung.isEmpty {
            for queue in rung { machine.bench.transport.queueNotified(queue) }
            turns += 1
        }
        #expect(turns >= 16 && machine.backends[0].bytes == bytes)
    }

    @Test func inputWaitsUntilThereIsRoom() throws {
        var machine = try Machine([(nil, true)], Self.simple)
        let port = machine.bench.device.ports[0]
        #expect(receive("typed early", port) == 0)
        let calls = machine.backends[0].receiveReadyCalls
        let addresses = try machine.offer([5, 4], queue: 0)
        #expect(machine.backends[0].receiveReadyCalls == calls + 1)
        let edges = machine.bench.interrupt.edges
        #expect(receive("typed early", port) == 9)
        #expect(try machine.received(addresses, queue: 0) == [Array("typed".utf8), Array(" ear".utf8)])
        #expect(machine.bench.interrupt.edges == edges + 1)
        // The driver is asked to tell of more.
        _ = try machine.offer([64], queue: 0)
        #expect(machine.backends[0].receiveReadyCalls == calls + 2)
        #expect(receive("ly", port) == 2)
        #expect(machine.bench.device.queueStates?.count == 2)
    }

    @Test func nothingIsTakenWithoutADriver() throws {
        let machine = try Machine([(nil, true)], Self.simple)
        machine.bench.setStatus([])
        #expect(receive("x", machine.bench.device.ports[0]) == 0)
        machine.bench.device.ports[0].transmitReady()
        machine.bench.device.queueNotified(1)
        #expect(machine.backends[0].bytes.isEmpty)
    }

    @Test func theWindowsSizeIsTold() throws {
        var machine = try Machine([(nil, true)], Self.simple)
        let edges = machine.bench.interrupt.edges
        machine.bench.device.resize(columns: 132, rows: 43)
        #expect(machine.bench.transport.read(offset: 0x100, width: 2) == 132)
        #expect(machine.bench.transport.read(offset: 0x102, width: 2) == 43)
        #expect(machine.bench.interrupt.edges == edges + 1 && machine.bench.read(.interruptStatus) & 2 == 2)
        // Once more when the guest is sure to listen, and not again.
        machine.bench.write(.interruptAcknowledge, 3)
        try machine.send([1], queue: 1)
        #expect(machine.bench.read(.interruptStatus) & 2 == 2)
        machine.bench.write(.interruptAcknowledge, 3)
        try machine.send([2], queue: 1)
        #expect(machine.bench.read(.interruptStatus) & 2 == 0)
    }

    /// Before the driver is ready, and of any width.
    @Test(arguments: [1, 2, 4]) func emergencyWritesArriveAtOnce(width: Int) throws {
        let machine = try Machine([(nil, true)], Self.simple)
        machine.bench.setStatus([])
        machine.bench.transport.write(offset: 0x108, width: width, value: 0x41)
        machine.bench.transport.write(offset: 0x100, width: width, value: 0x42)
        machine.bench.transport.write(offset: 0x10c, width: width, value: 0x43)
        #expect(machine.backends[0].bytes == [0x41])
        machine.backends[0].setRoom(0)
        machine.bench.transport.write(offset: 0x108, width: width, value: 0x44)
        #expect(machine.backends[0].bytes == [0x41])
    }

    @Test func aWrongChainCostsTheDevice() throws {
        var machine = try Machine([(nil, true)], Self.simple)
        _ = try machine.drivers[1].add(
            [.init(address: 0xffff_0000_0000, length: 10, isWritable: false)], using: &machine.random)
        try machine.bench.run(&machine.drivers[1], queue: 1)
        #expect(machine.needsReset && machine.bench.log.failures.count == 1)
        #expect(receive("x", machine.bench.device.ports[0]) == 0)
    }

    // MARK: Ports

    private static let three: [(name: String?, isConsole: Bool)] = [
        (nil, true), ("org.example.agent", false), ("b", true),
    ]

    @Test func portsAreTold() throws {
        var machine = try Machine(Self.three, Self.multiport)
        #expect(machine.bench.offered == Self.multiport && machine.bench.device.maximumQueueSizes.count == 8)
        #expect(machine.bench.transport.read(offset: 0x104, width: 4) == 3)
        // Fewer buffers than messages: the rest comes when there are more.
        let first = try machine.offer([32, 32], queue: 2)
        try machine.control(0, .deviceReady, 1)
        let added = (0..<3 as Range<UInt8>).map { [$0, 0, 0, 0, 1, 0, 1, 0] as [UInt8] }
        #expect(try machine.received(first, queue: 2) == Array(added[..<2]))
        let second = try machine.offer([32], queue: 2)
        #expect(try machine.received(second, queue: 2) == [added[2]])
        for port in 0..<3 as Range<UInt32> { try machine.control(port, .portReady, 1) }
        let rest = try machine.offer([UInt32](repeating: 64, count: 8), queue: 2)
        let name = Array("org.example.agent".utf8)
        #expect(
            try machine.received(rest, queue: 2) == [
                [0, 0, 0, 0, 4, 0, 1, 0], [0, 0, 0, 0, 6, 0, 1, 0],
                [1, 0, 0, 0, 7, 0, 1, 0] + name, [1, 0, 0, 0, 6, 0, 1, 0],
                [2, 0, 0, 0, 4, 0, 1, 0], [2, 0, 0, 0, 7, 0, 1, 0, 0x62], [2, 0, 0, 0, 6, 0, 1, 0],
            ])
        #expect(!machine.needsReset)
    }

    @Test func aPortsInputWaitsUntilItIsOpened() throws {
        var machine = try Machine(Self.three, Self.multiport)
        // Port 1 has queues 4 and 5.
        let addresses = try machine.offer([16], queue: 4)
        let port = machine.bench.device.ports[1]
        #expect(receive("hi", port) == 0)
        let calls = machine.backends[1].receiveReadyCalls
        try machine.control(1, .portOpen, 1)
        #expect(machine.backends[1].receiveReadyCalls == calls + 1)
        #expect(receive("hi", port) == 2)
        #expect(try machine.received(addresses, queue: 4) == [Array("hi".utf8)])
        try machine.control(1, .portOpen, 0)
        _ = try machine.offer([16], queue: 4)
        #expect(receive("lost?", port) == 0)
        // What the guest writes needs no word.
        try machine.send([1, 2, 3], queue: 5)
        #expect(machine.backends[1].bytes == [1, 2, 3] && machine.backends[0].bytes.isEmpty)
    }

    @Test func consolesTakeInputAtOnce() throws {
        var machine = try Machine(Self.three, Self.multiport)
        _ = try machine.offer([16], queue: 6)
        try machine.control(2, .portOpen, 0)
        #expect(receive("now", machine.bench.device.ports[2]) == 3)
    }

    /// A driver that knows of no ports has the first one.
    @Test func withoutPortsThereIsOne() throws {
        var machine = try Machine([("first", false), ("second", false)], .common)
        _ = try machine.offer([16], queue: 0)
        #expect(receive("now", machine.bench.device.ports[0]) == 3)
        #expect(receive("now", machine.bench.device.ports[1]) == 0)
        // Queues behind the first two are nothing to it.
        try machine.send([9], queue: 5)
        try machine.control(0, .deviceReady, 1)
        #expect(machine.backends[1].bytes.isEmpty && !machine.needsReset)
    }

    @Test(
        arguments: [
            [], [1, 0, 0], [3, 0, 0, 0, 3, 0, 1, 0], [255, 255, 255, 255, 6, 0, 1, 0], [0, 0, 0, 0, 99, 0, 1, 0],
            [0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 3, 0, 0, 0], [0, 0, 0, 0, 1, 0, 1, 0],
        ] as [[UInt8]])
    func aMessageThatMeansNothingIsIgnored(bytes: [UInt8]) throws {
        var machine = try Machine(Self.three, Self.multiport)
        let addresses = try machine.offer([64, 64], queue: 2)
        if bytes.isEmpty {
            _ = try machine.drivers[3].add(
                [.init(address: 0x9_0000, length: 8, isWritable: true)], using: &machine.random)
            try machine.bench.run(&machine.drivers[3], queue: 3)
        } else {
            try machine.send(bytes, queue: 3)
        }
        #expect(try machine.drivers[3].reap().map(\.written) == [0])
        #expect(try machine.received(addresses, queue: 2).isEmpty && !machine.needsReset)
    }

    /// However often it asks, what waits for it stays the same.
    @Test func aDriverThatDoesNotListenMakesNothingGrow() throws {
        var machine = try Machine(Self.three, Self.multiport)
        for _ in 0..<50 { try machine.control(0, .deviceReady, 1) }
        for _ in 0..<50 { try machine.control(1, .portReady, 1) }
        let addresses = try machine.offer([UInt32](repeating: 32, count: 8), queue: 2)
        #expect(try machine.received(addresses, queue: 2).count == 5)
    }

    @Test func tinyBuffersGetWhatFits() throws {
        var machine = try Machine(Self.three, Self.multiport)
        let addresses = try machine.offer([3, 8], queue: 2)
        try machine.control(0, .deviceReady, 1)
        #expect(try machine.received(addresses, queue: 2).map(\.count) == [3, 8])
        #expect(!machine.needsReset)
    }

    // MARK: State

    @Test func aResetForgetsEverything() throws {
        var machine = try Machine(Self.three, Self.multiport)
        try machine.control(1, .portOpen, 1)
        machine.backends[1].setRoom(1)
        try machine.send([1, 2, 3], queue: 5)
        #expect(machine.bench.device.state.ports[1].isOpen && machine.bench.device.state.ports[1].sentBytes == 1)
        machine.bench.setStatus([])
        #expect(machine.bench.device.state.ports == [.init(), .init(), .init()])
        #expect(machine.bench.device.queueStates == [VirtqueueState?](repeating: nil, count: 8))
    }

    @Test func itGoesOnAsItWasSaved() throws {
        var machine = try Machine(Self.three, Self.multiport)
        try machine.control(1, .portOpen, 1)
        machine.backends[1].setRoom(2)
        try machine.send([1, 2, 3], queue: 5)
        let state = machine.bench.device.state
        let backends = Self.three.map { _ in RecordingBackend() }
        let ports = zip(Self.three, backends).map {
            VirtioConsolePort(name: $0.name, isConsole: $0.isConsole, backend: $1)
        }
        let restored = try VirtioConsole(restoring: state, ports: ports)
        #expect(restored.state == state)
        #expect(throws: DeviceStateError.invalid(device: "console device", field: "ports", value: 3)) {
            _ = try VirtioConsole(restoring: state, ports: Array(ports[..<2]))
        }
    }

    @Test func queuesHaveTheirRoles() {
        #expect(
            (0..<8).map(ConsoleQueueRole.init) == [
                .receive(port: 0), .transmit(port: 0), .controlReceive, .controlTransmit, .receive(port: 1),
                .transmit(port: 1), .receive(port: 2), .transmit(port: 2),
            ])
        for port in 0..<31 {
            let index = ConsoleQueueRole.receiveQueue(ofPort: port)
            #expect(ConsoleQueueRole(queue: index) == .receive(port: port))
            #expect(ConsoleQueueRole(queue: index + 1) == .transmit(port: port))
        }
    }
}
