extension Serial16550A {
    /// All that a port remembers.
    package struct State: Codable, Equatable, Sendable {
        package var interruptEnable: UInt8
        package var lineControl: UInt8
        package var modemControl: UInt8
        package var modemStatusChanges: UInt8
        package var scratch: UInt8
        package var divisor: UInt16
        package var fifosEnabled: Bool
        package var receiveTrigger: Int
        package var overrun: Bool
        package var transmitterEmptyPending: Bool
        package var idlePolls: Int
        /// Received and not yet read by the guest, oldest first.
        package var received: [UInt8]
        /// Written by the guest and not yet taken by the host, oldest first.
        package var unsent: [UInt8]
        package var lostBytes: UInt64
    }

    /// The state now. The machine is paused, and the backend calls nothing meanwhile.
    package var state: State {
        let registers = registers
        return State(
            interruptEnable: registers.interruptEnable.rawValue, lineControl: registers.lineControl,
            modemControl: registers.modemControl.rawValue, modemStatusChanges: registers.modemStatusChanges,
            scratch: registers.scratch, divisor: registers.divisor, fifosEnabled: registers.fifosEnabled,
            receiveTrigger: registers.receiveTrigger, overrun: registers.overrun,
            transmitterEmptyPending: registers.transmitterEmptyPending, idlePolls: registers.idlePolls,
            received: registers.receiveFIFO.bytes, unsent: registers.transmitFIFO.bytes,
            lostBytes: registers.lostBytes)
    }

    /// A port in a saved state. It raises its interrupt if one is due; `transmitReady()` sends what was unsent.
    /// - Throws: `invalid` for a state that no port can be in.
    package convenience init(
        state: State, interrupt: any InterruptLine, backend: any ConsoleBackend
    ) throws(DeviceStateError) {
        var registers = SerialRegisters()
        try registers.restore(state)
        self.init(registers: registers, interrupt: interrupt, backend: backend)
    }
}

extension SerialRegisters {
    fileprivate mutating func restore(_ state: Serial16550A.State) throws(DeviceStateError) {
        func check(_ field: String, _ value: Int, _ isValid: Bool) throws(DeviceStateError) {
            guard isValid else { throw .invalid(device: "serial port", field: field, value: value) }
        }
        try check("interruptEnable", Int(state.interruptEnable), state.interruptEnable & 0xf0 == 0)
        try check("modemControl", Int(state.modemControl), state.modemControl & 0xe0 == 0)
        try check("modemStatusChanges", Int(state.modemStatusChanges), state.modemStatusChanges & 0xf0 == 0)
        let triggers = state.fifosEnabled ? [1, 4, 8, 14] : [1]
        try check("receiveTrigger", state.receiveTrigger, triggers.contains(state.receiveTrigger))
        try check("idlePolls", state.idlePolls, (0...Self.pollsBeforeListening).contains(state.idlePolls))
        try check("received.count", state.received.count, state.received.count <= SerialFIFO.capacity)
        try check("unsent.count", state.unsent.count, state.unsent.count <= SerialFIFO.capacity)
        try check(
            "transmitterEmptyPending", 1, !(state.transmitterEmptyPending && !state.unsent.isEmpty))

        interruptEnable = InterruptEnable(rawValue: state.interruptEnable)
        lineControl = state.lineControl
        modemControl = ModemControl(rawValue: state.modemControl)
        modemStatusChanges = state.modemStatusChanges
        scratch = state.scratch
        divisor = state.divisor
        fifosEnabled = state.fifosEnabled
        receiveTrigger = state.receiveTrigger
        overrun = state.overrun
        transmitterEmptyPending = state.transmitterEmptyPending
        idlePolls = state.idlePolls
        for byte in state.received { receiveFIFO.append(byte) }
        for byte in state.unsent { transmitFIFO.append(byte) }
        lostBytes = state.lostBytes
        // The new host side has not offered anything yet; hearing that there is room does it no harm.
        senderWaits = true
    }
}
