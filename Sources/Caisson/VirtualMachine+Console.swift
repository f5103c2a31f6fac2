import Dispatch
import HostIO
import Logging
import Synchronization

/// The machine's console: its opening, and the commands that somebody types there.
extension VirtualMachine {
    func openConsole(_ loop: EventLoop) throws(VirtualMachineError) -> ConsoleLine? {
        guard let port = configuration.serialPorts.first else { return nil }
        guard let source = port.source else {
            preconditionFailure("a validated configuration has Caisson's attachments")
        }
        do {
            let console = try Console(
                source.specification, loop: loop, standardInput: source.input, standardOutput: source.output)
            let line = ConsoleLine(console)
            try line.start { [weak self] event in self?.consoleReported(event) }
            return line
        } catch {
            throw VirtualMachineError(.consoleFailure, "\(error)")
        }
    }

    private func consoleReported(_ event: Console.Event) {
        switch event {
        case .quit:
            control.async { [self] in
                let result = changeNow(from: [.running, .paused], by: .stopping) { () throws(VirtualMachineError) in
                    parts.withLock { $0?.instance }?.requestEnd(.stopped)
                    finish(.success(.quitByConsole))
                    return .stopped
                }
                if case .failure(let error) = result { logger.debug("\(error)") }
            }
        case .togglePause:
            Task { [self] in
                do {
                    if canResume {
                        try await resume()
                        show("resumed")
                    } else {
                        try await pause()
                        show("paused; Ctrl-A c goes on")
                    }
                } catch {
                    logger.debug("\(error)")
                }
            }
        case .powerButton:
            do throws(VirtualMachineError) {
                try requestStop()
                show("the guest is asked to shut down")
            } catch { show(error.message) }
        case .inputEnded:
            logger.debug("the console's input ended")
        case .outputFailed(let error):
            logger.warning("the console's output is thrown away from now on: \(error)")
        }
    }

    private func show(_ text: String) {
        parts.withLock { $0?.console }?.show("\n[\(configuration.name): \(text)]\n")
    }
}
