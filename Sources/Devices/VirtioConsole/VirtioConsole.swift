import Synchronization
package import Virtio

/// The console device (virtio 1.2, section 5.3).
///
/// With one port that has no name it is the simple device of before there were ports, which can tell the size of its window.
/// With several it is one of many ports, each a console or a stream with a name. Such a device tells no sizes: drivers
/// disagree about the order of the fields of that message.
package final class VirtioConsole: VirtioDevice {
    /// The most ports of a device.
    package static let portLimit = 31
    private static let streamQueueSize: UInt16 = 128
    private static let controlQueueSize: UInt16 = 32

    package let type = VirtioDeviceType.console
    package let features: VirtioFeatures
    package let maximumQueueSizes: [UInt16]
    package let configuration = VirtioConfigurationSpace([UInt8](repeating: 0, count: ConsoleField.end))
    /// In the order of their numbers.
    package let ports: [VirtioConsolePort]

    private let active = Mutex(Active())

    private struct Active: ~Copyable {
        var control: ConsoleControl?
        var notifier: VirtioNotifier?
        /// The driver is still to hear of the window's size.
        var hasSize = false
    }

    /// What is saved beside the transport's state. What a driver has still to hear of ports is not: it asks again.
    package struct State: Codable, Equatable, Sendable {
        package var columns, rows: UInt16
        package var ports: [VirtioConsolePort.State]
    }

    /// - Parameter ports: 1 to `portLimit`.
    package init(ports: [VirtioConsolePort]) {
        precondition((1...Self.portLimit).contains(ports.count))
        self.ports = ports
        let isSimple = ports.count == 1 && ports[0].name == nil && ports[0].isConsole
        features = isSimple ? [.consoleSize, .consoleEmergencyWrite] : [.consoleMultiport, .consoleEmergencyWrite]
        var sizes = [UInt16](repeating: Self.streamQueueSize, count: 2)
        if !isSimple {
            sizes += [Self.controlQueueSize, Self.controlQueueSize]
            sizes += [UInt16](repeating: Self.streamQueueSize, count: 2 * (ports.count - 1))
        }
        maximumQueueSizes = sizes
        configuration.store(UInt32(ports.count), at: ConsoleField.portCount)
    }

    /// The device as it was saved.
    /// - Throws: `invalid` for a state that no device of these ports could be in.
    package convenience init(restoring state: State, ports: [VirtioConsolePort]) throws(DeviceStateError) {
        guard state.ports.count == ports.count else {
            throw .invalid(device: "console device", field: "ports", value: state.ports.count)
        }
        self.init(ports: ports)
        resize(columns: state.columns, rows: state.rows)
        for (port, state) in zip(ports, state.ports) { port.restore(state) }
    }

    package var state: State {
        State(
            columns: UInt16(truncatingIfNeeded: configuration.read(offset: UInt64(ConsoleField.columns), width: 2)),
            rows: UInt16(truncatingIfNeeded: configuration.read(offset: UInt64(ConsoleField.rows), width: 2)),
            ports: ports.map(\.state))
    }

    // MARK: The host's side

    /// Tells the guest how large the console's window is. Without effect on a device with several ports.
    package func resize(columns: UInt16, rows: UInt16) {
        guard features.contains(.consoleSize) else { return }
        configuration.store(columns, at: ConsoleField.columns)
        configuration.store(rows, at: ConsoleField.rows)
        active.withLock { $0.notifier }?.configurationChanged()
    }

    // MARK: The driver's side

    package func writeConfiguration(offset: UInt64, width: Int, value: UInt64) {
        guard offset == UInt64(ConsoleField.emergencyWrite) else { return }
        ports[0].transmitInEmergency(UInt8(truncatingIfNeeded: value))
    }

    package func activate(_ activation: VirtioActivation) {
        let hasPorts = activation.features.contains(.consoleMultiport)
        active.withLock { active in
            active.notifier = activation.notifier
            active.hasSize = activation.features.contains(.consoleSize)
            active.control = hasPorts ? ConsoleControl(activation, portCount: ports.count) : nil
        }
        // A driver that knows of no ports has the first one, as its console.
        for (index, port) in ports.enumerated() where hasPorts || index == 0 {
            port.activate(activation, port: index, isOpen: port.isConsole || !hasPorts)
        }
    }

    package func reset() {
        active.withLock { active in
            active.control = nil
            active.notifier = nil
        }
        for port in ports { port.reset() }
    }

    package func queueNotified(_ index: Int) {
        switch ConsoleQueueRole(queue: index) {
        case .receive(let port): ports[port].receiveNotified()
        case .transmit(let port):
            ports[port].transmitNotified()
            tellSize()
        case .controlReceive: active.withLock { $0.control?.tell(ports) }
        case .controlTransmit:
            active.withLock { active in
                active.control?.serveTransmit(ports) { port, isOpen in
                    // A console's input waits for nobody: the driver keeps it for whoever opens the console.
                    if !ports[port].isConsole { ports[port].setOpen(isOpen) }
                }
            }
        }
    }

    /// Linux looks at the size when it is told of a change only, and once the console is there, which is sure when something
    /// is written to it.
    private func tellSize() {
        active.withLock { active in
            guard active.hasSize, configuration.read(offset: UInt64(ConsoleField.columns), width: 4) != 0 else {
                return
            }
            active.hasSize = false
            active.notifier?.configurationChanged()
        }
    }

    package var queueStates: [VirtqueueState?]? {
        var states: [VirtqueueState?] = []
        for (index, port) in ports.enumerated() {
            guard let pair = port.queueStates else { return nil }
            states += pair
            guard index == 0, maximumQueueSizes.count > 2 else { continue }
            let control: [VirtqueueState?]? = active.withLock { active in
                guard active.control != nil else { return [nil, nil] }
                return active.control?.states
            }
            guard let control else { return nil }
            states += control
        }
        return states
    }
}
