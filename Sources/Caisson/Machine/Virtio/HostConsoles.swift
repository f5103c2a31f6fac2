import Devices
import HostIO
import Synchronization

/// The host's side of a console device: a line for each port, which lasts over the guest's resets.
final class HostConsoles: Sendable {
    let lines: [ConsoleLine]
    private let ports: [VirtioConsolePortConfiguration]
    /// The terminal whose window is the device's, if it is a simple device on one.
    private let terminal: Int32?
    private let device = Mutex<VirtioConsole?>(nil)

    /// - Throws: `consoleFailure`.
    init(
        _ configuration: VirtioConsoleDeviceConfiguration, loop: EventLoop,
        event: @escaping @Sendable (ConsoleLine, Console.Event) -> Void
    ) throws(VirtualMachineError) {
        var lines: [ConsoleLine] = []
        var terminal: Int32?
        do throws(HostError) {
            for port in configuration.ports {
                guard let source = port.attachment.source else {
                    preconditionFailure("a validated configuration has Caisson's attachments")
                }
                let line = try ConsoleLine(source, loop: loop)
                lines.append(line)
                try line.start(event: event)
                if source.specification == .terminal { terminal = source.output }
            }
        } catch {
            for line in lines { line.close() }
            throw VirtualMachineError(.consoleFailure, "\(error)")
        }
        self.lines = lines
        ports = configuration.ports
        self.terminal = terminal
    }

    /// The device as it is after power-on.
    func makeDevice() -> VirtioConsole {
        let device = VirtioConsole(
            ports: zip(ports, lines).map { port, line in
                VirtioConsolePort(name: port.name, isConsole: port.isConsole, backend: line)
            })
        for (line, port) in zip(lines, device.ports) { line.connect(to: port) }
        self.device.withLock { $0 = device }
        tellSize()
        return device
    }

    /// Tells the guest the terminal's size.
    func tellSize() {
        guard let terminal, let size = Terminal.size(of: terminal) else { return }
        device.withLock { $0 }?.resize(
            columns: UInt16(clamping: size.columns), rows: UInt16(clamping: size.rows))
    }

    /// Not on the lines' event loop.
    func close() {
        device.withLock { $0 = nil }
        for line in lines { line.close() }
    }
}
