extension CMOSClock {
    /// All that a clock remembers. The time is kept as the difference to the host's clock, so a restored clock shows
    /// the time of its restoring.
    package struct State: Codable, Equatable, Sendable {
        package var index: UInt8
        package var memory: [UInt8]
        package var controlA: UInt8
        package var controlB: UInt8
        package var flags: UInt8
        package var offsetSeconds: Int64
        package var offsetNanoseconds: UInt32
    }

    /// The state now. The machine is paused.
    package var state: State {
        let registers = registers
        return State(
            index: registers.index, memory: registers.memory.indices.map { registers.memory[$0] },
            controlA: registers.controlA, controlB: registers.controlB, flags: registers.flags,
            offsetSeconds: registers.offset.seconds, offsetNanoseconds: registers.offset.nanoseconds)
    }

    /// A clock in a saved state.
    /// - Throws: `invalid` for a state that no clock can be in.
    package convenience init(
        state: State, interrupt: any InterruptLine, timer: any DeviceTimer, now: @escaping @Sendable () -> WallTime
    ) throws(DeviceStateError) {
        func check(_ field: String, _ value: Int, _ isValid: Bool) throws(DeviceStateError) {
            guard isValid else { throw .invalid(device: "real-time clock", field: field, value: value) }
        }
        var registers = CMOSRegisters()
        try check("index", Int(state.index), state.index < 0x80)
        try check("memory.count", state.memory.count, state.memory.count == registers.memory.count)
        try check("controlA", Int(state.controlA), state.controlA & 0x80 == 0)
        try check("flags", Int(state.flags), state.flags & ~0x70 == 0)
        try check("offsetNanoseconds", Int(state.offsetNanoseconds), state.offsetNanoseconds < 1_000_000_000)
        registers.index = state.index
        for (index, byte) in state.memory.enumerated() { registers.memory[index] = byte }
        registers.controlA = state.controlA
        registers.controlB = state.controlB
        registers.flags = state.flags
        registers.offset = TimeOffset(seconds: state.offsetSeconds, nanoseconds: state.offsetNanoseconds)
        self.init(registers: registers, interrupt: interrupt, timer: timer, now: now)
    }
}
