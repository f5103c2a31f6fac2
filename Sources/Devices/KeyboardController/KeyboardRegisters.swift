/// The registers of an i8042 without keyboard and mouse. Source: IBM PS/2 Hardware Interface Technical Reference,
/// "Keyboard and Auxiliary Device Controller".
struct KeyboardRegisters: Sendable {
    /// Command byte: bit 0 keyboard interrupt, 2 system flag, 4 and 5 disable the ports, 6 scan code translation.
    var commandByte: UInt8 = 0x65
    /// A byte that the guest has not read yet, and whether it stands for a keyboard that did not answer.
    var output: UInt8?
    var outputIsTimeout = false
    /// The last byte that was in the output buffer: reading an empty buffer gives it again.
    var lastOutput: UInt8 = 0
    var lastWriteWasCommand = false
    /// The command that the next byte at port 0x60 belongs to.
    var pendingCommand: UInt8?
    /// The controller's memory, commands 0x20 to 0x3f and 0x60 to 0x7f; its first byte is `commandByte`.
    var memory = InlineArray<32, UInt8>(repeating: 0)

    private enum Status {
        static let outputFull: UInt8 = 0x01
        static let systemFlag: UInt8 = 0x04
        static let command: UInt8 = 0x08
        static let notLocked: UInt8 = 0x10
        static let timeout: UInt8 = 0x40
    }

    /// Interrupt 1, as long as a byte waits and the command byte asks for it.
    var interruptLevel: Bool { output != nil && commandByte & 0x01 != 0 }

    mutating func read(offset: UInt16) -> UInt8 {
        switch offset {
        case 0:
            let value = output ?? lastOutput
            output = nil
            outputIsTimeout = false
            return value
        case 4:
            // The input buffer is never full: a driver that waits for it goes on at once.
            var status = Status.notLocked | commandByte & Status.systemFlag
            if output != nil { status |= Status.outputFull }
            if outputIsTimeout { status |= Status.timeout }
            if lastWriteWasCommand { status |= Status.command }
            return status
        default: return 0xff
        }
    }

    /// Returns whether the write pulled the reset line.
    mutating func write(offset: UInt16, value: UInt8) -> Bool {
        switch offset {
        case 0:
            lastWriteWasCommand = false
            return writeData(value)
        case 4:
            lastWriteWasCommand = true
            pendingCommand = nil
            return writeCommand(value)
        default: return false
        }
    }

    private mutating func writeCommand(_ command: UInt8) -> Bool {
        switch command {
        case 0x20: answer(commandByte)
        case 0x21...0x3f: answer(memory[Int(command & 0x1f)])
        case 0x60...0x7f, 0xd1, 0xd2, 0xd3, 0xd4: pendingCommand = command
        case 0xa7: commandByte |= 0x20
        case 0xa8: commandByte &= ~0x20
        case 0xa9: answer(0x01)  // second port: clock line stuck low, so nothing is there
        case 0xaa:
            commandByte |= Status.systemFlag
            answer(0x55)  // self-test passed
        case 0xab: answer(0x00)  // keyboard port in order
        case 0xad: commandByte |= 0x10
        case 0xae: commandByte &= ~0x10
        case 0xc0: answer(0x80)  // input port: keyboard not locked
        case 0xd0: answer(0x03 | (output == nil ? 0 : 0x10))  // output port: no reset, A20 open
        case 0xf0...0xff: return command & 0x01 == 0  // pulses the output port's low bits; bit 0 is the reset line
        default: break
        }
        return false
    }

    private mutating func writeData(_ value: UInt8) -> Bool {
        guard let command = pendingCommand else {
            commandByte &= ~0x10  // a byte for the keyboard opens its port
            answer(0xfe, isTimeout: true)
            return false
        }
        pendingCommand = nil
        switch command {
        case 0x60: commandByte = value
        case 0x61...0x7f: memory[Int(command & 0x1f)] = value
        case 0xd1: return value & 0x01 == 0
        case 0xd2: answer(value)
        case 0xd3: answer(~value)  // no second port to loop the byte back
        case 0xd4: answer(0xfe, isTimeout: true)
        default: break
        }
        return false
    }

    private mutating func answer(_ byte: UInt8, isTimeout: Bool = false) {
        output = byte
        lastOutput = byte
        outputIsTimeout = isTimeout
    }
}
