import Devices
import TestSupport
import Testing

private let data: UInt16 = 0
private let status: UInt16 = 4
private let outputFull: UInt8 = 0x01
private let inputFull: UInt8 = 0x02
private let timedOut: UInt8 = 0x40

@Suite struct KeyboardControllerTests {
    private let machine = RecordingMachine()
    private let line = RecordingLine()
    private let controller: KeyboardController

    init() { controller = KeyboardController(interrupt: line, events: machine) }

    /// Sends a command the way Linux's driver does: waits for the input buffer, then for an answer.
    private func ask(_ command: UInt8, _ parameter: UInt8? = nil) -> UInt8? {
        controller.set(status, command)
        if let parameter { controller.set(data, parameter) }
        guard controller.byte(status) & outputFull != 0 else { return nil }
        return controller.byte(data)
    }

    @Test func `an idle controller is ready, unlocked and silent`() {
        #expect(controller.byte(status) & (outputFull | inputFull) == 0)
        #expect(controller.byte(status) & 0x10 != 0)
        #expect(line.edges == 0)
        #expect(controller.read(offset: 2, width: 1) == 0xff)
    }

    @Test func `the reset pulse resets the machine`() {
        for command in [0xfe, 0xf0, 0xfc] as [UInt8] { controller.set(status, command) }
        #expect(machine.events.count == 3)
        for command in [0xff, 0xf1, 0xfd] as [UInt8] { controller.set(status, command) }
        #expect(machine.events.count == 3)
        controller.set(status, 0xd1)
        controller.set(data, 0x03)
        #expect(machine.events.count == 3)
        controller.set(status, 0xd1)
        controller.set(data, 0x02)
        #expect(machine.events == Array(repeating: .reset(.keyboardController), count: 4))
    }

    @Test func `every question of a probe is answered at once`() {
        #expect(ask(0xaa) == 0x55)
        #expect(ask(0xab) == 0x00)
        #expect(ask(0xa9) == 0x01)
        #expect(ask(0xd0) == 0x03)
        #expect(ask(0xd2, 0x5a) == 0x5a)
        #expect(ask(0xd3, 0x5a).map { $0 != 0x5a } == true)
        #expect(ask(0xc0) == 0x80)
        #expect(ask(0x20) == 0x65)
        #expect(ask(0x60, 0x44) == nil)
        #expect(ask(0x20) == 0x44)
        #expect(ask(0x65, 0x12) == nil)
        #expect(ask(0x25) == 0x12)
        #expect(ask(0xad) == nil)
        #expect(ask(0x20) == 0x54)
        #expect(ask(0xae) == nil)
        #expect(ask(0xa7) == nil)
        #expect(ask(0x20) == 0x64)
        #expect(ask(0xa8) == nil)
        #expect(ask(0x20) == 0x44)
        #expect(ask(0x99) == nil)
    }

    @Test func `a byte for the absent keyboard times out at once, with an interrupt`() {
        controller.set(data, 0xed)
        #expect(controller.byte(status) & (outputFull | timedOut) == outputFull | timedOut)
        #expect(line.level)
        #expect(controller.byte(data) == 0xfe)
        #expect(!line.level)
        #expect(controller.byte(status) & (outputFull | timedOut) == 0)
        // Without the interrupt enabled there is none.
        #expect(ask(0x60, 0x64) == nil)
        controller.set(data, 0xed)
        #expect(!line.level)
        // Enabling it while the byte waits raises it.
        controller.set(status, 0x60)
        controller.set(data, 0x65)
        #expect(line.level)
        #expect(line.repeats == 0)
    }

    @Test func `a saved state is restored, and a damaged one refused`() throws {
        _ = ask(0x65, 0x12)
        controller.set(data, 0xed)
        controller.set(status, 0xd1)
        let state = controller.state
        let copyLine = RecordingLine()
        let copy = try KeyboardController(state: state, interrupt: copyLine, events: machine)
        #expect(copy.state == state)
        #expect(copyLine.level)
        copy.set(data, 0x02)
        #expect(machine.events == [.reset(.keyboardController)])

        func expectRefused(_ change: (inout KeyboardController.State) -> Void) {
            var damaged = state
            change(&damaged)
            #expect(throws: DeviceStateError.self) {
                try KeyboardController(state: damaged, interrupt: copyLine, events: machine)
            }
        }
        expectRefused { $0.memory.removeLast() }
        expectRefused { $0.memory = [] }
        expectRefused { $0.pendingCommand = 0x20 }
        expectRefused { $0.output = nil }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `no sequence of accesses breaks it`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<5000 {
            let offset = UInt16.random(in: 0...8, using: &generator)
            let width = [1, 2, 4].randomElement(using: &generator) ?? 1
            if Bool.random(using: &generator) {
                controller.write(offset: offset, width: width, value: .random(in: 0 ... .max, using: &generator))
            } else {
                _ = controller.read(offset: offset, width: width)
            }
            #expect(controller.byte(status) & inputFull == 0)
        }
        #expect(line.repeats == 0)
        #expect(
            try KeyboardController(state: controller.state, interrupt: line, events: machine).state == controller.state)
    }
}
