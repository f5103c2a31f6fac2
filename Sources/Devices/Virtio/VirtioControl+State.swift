import Synchronization
import Virtio

extension VirtioControl {
    /// What all transports save of a device. The device's own state is saved beside it.
    struct State: Codable, Equatable, Sendable {
        var status: VirtioStatus
        var driverFeatures: VirtioFeatures
        var wantsUnknownFeatures: Bool
        var queues: [VirtioRegisters.Queue]
    }

    /// The state now, while the machine is paused; nil while the device has a request in flight.
    var state: State? {
        let status = status
        var state = registers.withLock {
            State(
                status: status, driverFeatures: $0.driverFeatures, wantsUnknownFeatures: $0.wantsUnknownFeatures,
                queues: $0.queues)
        }
        guard status.contains(.driverOK), !status.contains(.needsReset) else { return state }
        guard let positions = device.queueStates else { return nil }
        for (index, position) in positions.enumerated() { state.queues[index].position = position?.nextUsed ?? 0 }
        return state
    }

    /// Puts a device after power-on into a saved state, and activates it if it was active. It looks at its queues when
    /// it is notified of them: the owner rings for each when the machine runs.
    /// - Throws: `invalid` for a state that this device cannot be in; then nothing has changed.
    func restore(_ state: State) throws(DeviceStateError) {
        let name = "virtio device \(device.type)"
        func check(_ field: String, _ value: UInt64, _ isValid: Bool) throws(DeviceStateError) {
            guard isValid else { throw .invalid(device: name, field: field, value: Int(truncatingIfNeeded: value)) }
        }
        var registers = registers.withLock { $0 }
        let status = state.status.subtracting(.needsReset)
        registers.status = status
        registers.driverFeatures = state.driverFeatures
        registers.wantsUnknownFeatures = state.wantsUnknownFeatures
        registers.queues = state.queues

        try check("status", UInt64(state.status.rawValue), status.isSubset(of: .drivers))
        try check("status", UInt64(status.rawValue), !status.contains(.driverOK) || status.contains(.featuresOK))
        try check(
            "driverFeatures", state.driverFeatures.rawValue,
            !status.contains(.featuresOK) || registers.featuresAreAcceptable)
        try check("queues.count", UInt64(state.queues.count), state.queues.count == device.maximumQueueSizes.count)
        for (queue, maximum) in zip(state.queues, device.maximumQueueSizes) {
            try check(
                "size", UInt64(queue.size), VirtqueueState.isValid(size: queue.size) && queue.size <= maximum)
            guard queue.isReady else { continue }
            do throws(VirtqueueError) { try queue.state(state.driverFeatures).validate(in: memory) } catch {
                try check("descriptorTable", queue.descriptorTable, false)
            }
        }
        isActive.withLock { isActive in
            self.registers.withLock { $0 = registers }
            if state.status.contains(.needsReset) { notifier.restoreFailure() }
            if status.contains(.driverOK) { isActive = activate() }
        }
    }
}
