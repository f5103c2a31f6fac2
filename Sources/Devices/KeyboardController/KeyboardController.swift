import Synchronization

/// An i8042 keyboard controller with nothing plugged in: registered at ports 0x60 (data) and 0x64 (status and
/// command) with base 0x60, interrupt line 1.
///
/// What guests want of it is the reset line, and an answer at once to every question of a driver's probe. There is no
/// second (mouse) port. A byte for the keyboard is answered like the chip does when none replies: 0xfe, with the
/// time-out flag. The A20 gate is always open.
package final class KeyboardController: BytePortDevice {
    private let registers: Mutex<KeyboardRegisters>
    private let interrupt: any InterruptLine
    private let events: any MachineEvents

    /// A controller as firmware leaves it.
    package convenience init(interrupt: any InterruptLine, events: any MachineEvents) {
        self.init(registers: KeyboardRegisters(), interrupt: interrupt, events: events)
    }

    init(registers: KeyboardRegisters, interrupt: any InterruptLine, events: any MachineEvents) {
        self.interrupt = interrupt
        self.events = events
        self.registers = Mutex(registers)
        if registers.interruptLevel { interrupt.set(true) }
    }

    /// The registers, for saving.
    var saved: KeyboardRegisters { registers.withLock { $0 } }

    package func read(offset: UInt16) -> UInt8 {
        registers.withLock { registers in
            let before = registers.interruptLevel
            let value = registers.read(offset: offset)
            if registers.interruptLevel != before { interrupt.set(!before) }
            return value
        }
    }

    package func write(offset: UInt16, value: UInt8) {
        let resets = registers.withLock { registers in
            let before = registers.interruptLevel
            let resets = registers.write(offset: offset, value: value)
            if registers.interruptLevel != before { interrupt.set(!before) }
            return resets
        }
        if resets { events.resetRequested(by: .keyboardController) }
    }
}
