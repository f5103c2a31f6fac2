import Devices
import TestSupport
import Testing

@Suite struct SerialStateTests {
    private func busyState() -> Serial16550A.State {
        let serial = SerialFixture()
        serial.openAsLinux()
        serial.backend.setRoom(1)
        for byte in 0..<6 as Range<UInt8> { serial.port.set(UART.data, byte) }
        #expect(serial.receive([10, 11, 12]) == 3)
        serial.port.set(UART.scr, 0x77)
        return serial.port.state
    }

    @Test func `a restored port goes on where the saved one stopped`() throws {
        let state = busyState()
        let serial = try SerialFixture(state: state)
        #expect(serial.port.state == state)
        #expect(serial.line.level)
        #expect(serial.cause() == 0x0c)
        serial.port.transmitReady()
        #expect(serial.backend.bytes == [1, 2, 3, 4, 5])
        #expect(serial.readAll() == [10, 11, 12])
        #expect(serial.port.byte(UART.scr) == 0x77)
        // The new host side hears that the guest takes input.
        #expect(serial.backend.receiveReadyCalls == 1)
    }

    @Test(
        arguments: [
            { $0.interruptEnable = 0x10 }, { $0.modemControl = 0x20 }, { $0.modemStatusChanges = 0x10 },
            { $0.receiveTrigger = 0 }, { $0.receiveTrigger = 16 }, { $0.receiveTrigger = -1 },
            { $0.idlePolls = -1 }, { $0.idlePolls = 17 }, { $0.idlePolls = .max },
            { $0.received = Array(repeating: 0, count: 17) }, { $0.unsent = Array(repeating: 0, count: 17) },
            { $0.transmitterEmptyPending = true },
        ] as [@Sendable (inout Serial16550A.State) -> Void])
    func `a state that no port can be in is refused`(damage: @Sendable (inout Serial16550A.State) -> Void) {
        var state = busyState()
        damage(&state)
        #expect(throws: DeviceStateError.self) { try SerialFixture(state: state) }
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `any state is refused or works`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            var state = busyState()
            state.interruptEnable = .random(in: 0...0x12, using: &generator)
            state.modemControl = .random(in: 0...0x22, using: &generator)
            state.fifosEnabled = .random(using: &generator)
            state.receiveTrigger = [1, 4, 8, 14, 2].randomElement(using: &generator) ?? 1
            state.received = Array(repeating: 1, count: .random(in: 0...18, using: &generator))
            state.unsent = Array(repeating: 2, count: .random(in: 0...18, using: &generator))
            state.transmitterEmptyPending = .random(using: &generator)
            guard let serial = try? SerialFixture(state: state) else { continue }
            #expect(serial.port.state == state)
            serial.port.transmitReady()
            #expect(serial.backend.bytes == state.unsent)
            #expect(serial.readAll() == state.received)
        }
    }
}
