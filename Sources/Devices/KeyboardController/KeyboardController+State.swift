extension KeyboardController {
    /// All that a controller remembers.
    package struct State: Codable, Equatable, Sendable {
        package var commandByte: UInt8
        package var output: UInt8?
        package var outputIsTimeout: Bool
        package var lastOutput: UInt8
        package var lastWriteWasCommand: Bool
        package var pendingCommand: UInt8?
        package var memory: [UInt8]
    }

    /// The state now. The machine is paused.
    package var state: State {
        let registers = saved
        return State(
            commandByte: registers.commandByte, output: registers.output, outputIsTimeout: registers.outputIsTimeout,
            lastOutput: registers.lastOutput, lastWriteWasCommand: registers.lastWriteWasCommand,
            pendingCommand: registers.pendingCommand, memory: registers.memory.indices.map { registers.memory[$0] })
    }

    /// A controller in a saved state.
    /// - Throws: `invalid` for a state that no controller can be in.
    package convenience init(
        state: State, interrupt: any InterruptLine, events: any MachineEvents
    ) throws(DeviceStateError) {
        var registers = KeyboardRegisters()
        guard state.memory.count == registers.memory.count else {
            throw .invalid(device: "keyboard controller", field: "memory.count", value: state.memory.count)
        }
        if let command = state.pendingCommand {
            guard (0x60...0x7f).contains(command) || (0xd1...0xd4).contains(command) else {
                throw .invalid(device: "keyboard controller", field: "pendingCommand", value: Int(command))
            }
        }
        guard state.output != nil || !state.outputIsTimeout else {
            throw .invalid(device: "keyboard controller", field: "outputIsTimeout", value: 1)
        }
        registers.commandByte = state.commandByte
        registers.output = state.output
        registers.outputIsTimeout = state.outputIsTimeout
        registers.lastOutput = state.lastOutput
        registers.lastWriteWasCommand = state.lastWriteWasCommand
        registers.pendingCommand = state.pendingCommand
        for (index, byte) in state.memory.enumerated() { registers.memory[index] = byte }
        self.init(registers: registers, interrupt: interrupt, events: events)
    }
}
