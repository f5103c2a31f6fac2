import Synchronization

extension VirtioMMIOTransport {
    /// All that the transport remembers. The device's own state is saved beside it.
    package struct State: Codable, Equatable, Sendable {
        var control: VirtioControl.State
        var interruptStatus: UInt32
        var deviceFeaturesSelect: UInt32
        var driverFeaturesSelect: UInt32
        var queueSelect: UInt32
    }

    /// The state now, while the machine is paused; nil while the device has a request in flight.
    package var state: State? {
        guard let state = control.state else { return nil }
        return State(
            control: state, interruptStatus: interrupt.status,
            deviceFeaturesSelect: deviceFeaturesSelect.load(ordering: .relaxed),
            driverFeaturesSelect: driverFeaturesSelect.load(ordering: .relaxed),
            queueSelect: queueSelect.load(ordering: .relaxed))
    }

    /// Puts a transport after power-on into a saved state, and activates its device if it was active. The owner rings
    /// for each queue when the machine runs.
    /// - Throws: `invalid` for a state that this device cannot be in; then nothing has changed.
    package func restore(_ state: State) throws(DeviceStateError) {
        guard state.interruptStatus & ~MMIOInterrupt.allBits == 0 else {
            throw .invalid(
                device: "virtio device \(control.device.type)", field: "interruptStatus",
                value: Int(state.interruptStatus))
        }
        try control.restore(state.control)
        deviceFeaturesSelect.store(state.deviceFeaturesSelect, ordering: .relaxed)
        driverFeaturesSelect.store(state.driverFeaturesSelect, ordering: .relaxed)
        queueSelect.store(state.queueSelect, ordering: .relaxed)
        interrupt.restore(state.interruptStatus)
    }
}
