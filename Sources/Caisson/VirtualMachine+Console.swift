import Dispatch
import HostIO
import Logging
import Synchronization

/// The machine's console: its opening, and the commands that somebody types there.
extension VirtualMachine {
    func openConsole(_ loop: EventLoop) throws(VirtualMachineError) -> ConsoleLine? {
        guard let port = configuration.serialPorts.first else { return nil }
        guard let source = port.attachment.source else {
            preconditionFailure("a validated configuration has Caisson's attachments")
        }
        do {
            let line = try ConsoleLine(
                source, loop: loop, tail: source.specification == .none ? consoleTail : nil)
            try line.start { [weak self] line, event in self?.consoleReported(event, on: line) }
            return line
        } catch {
            throw VirtualMachineError(.consoleFailure, "\(error)")
        }
    }

    func consoleReported(_ event: Console.Event, on line: ConsoleLine) {
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
                        show("resumed", on: line)
                    } else {
                        try await pause()
                        show("paused; Ctrl-A c goes on", on: line)
                    }
                } catch {
                    logger.debug("\(error)")
                }
            }
        case .powerButton:
            do throws(VirtualMachineError) {
                try requestStop()
                show("the guest is asked to shut down", on: line)
            } catch { show(error.message, on: line) }
        case .lessMemory: changeMemory(on: line) { $0 - min($0, $1) }
        case .moreMemory: changeMemory(on: line) { min($0 + $1, self.configuration.memorySize) }
        case .showMemory: showMemory(on: line)
        case .showStatistics: showStatistics(on: line)
        case .inputEnded:
            logger.debug("the console's input ended")
        case .outputFailed(let error):
            logger.warning("the console's output is thrown away from now on: \(error)")
        }
    }

    /// Steps are eighths of the machine's memory, and the last one stays with the guest.
    private func changeMemory(on line: ConsoleLine, _ change: (UInt64, UInt64) -> UInt64) {
        guard let balloon = memoryBalloon(line) else { return }
        let step = configuration.memorySize / 8
        balloon.targetVirtualMachineMemorySize = max(step, change(balloon.targetVirtualMachineMemorySize, step))
        show("the guest is to have \(mebibytes(balloon.targetVirtualMachineMemorySize)) of memory", on: line)
    }

    private func showMemory(on line: ConsoleLine) {
        guard let balloon = memoryBalloon(line) else { return }
        Task { [self] in
            var text = "the guest has \(mebibytes(balloon.virtualMachineMemorySize)) of memory"
            if balloon.targetVirtualMachineMemorySize != balloon.virtualMachineMemorySize {
                text += " and is to have \(mebibytes(balloon.targetVirtualMachineMemorySize))"
            }
            if let statistics = try? await balloon.statistics(), let free = statistics.free,
                let available = statistics.available
            {
                text += "; \(mebibytes(free)) are free, \(mebibytes(available)) available"
            }
            show(text, on: line)
        }
    }

    private func memoryBalloon(_ line: ConsoleLine) -> VirtioTraditionalMemoryBalloonDevice? {
        if memoryBalloonDevices.isEmpty {
            show("the machine has no memory balloon; it gets one by --balloon", on: line)
        }
        return memoryBalloonDevices.first
    }

    private func mebibytes(_ count: UInt64) -> String { "\(count >> 20)M" }

    /// Shows what is done in the next second.
    private func showStatistics(on line: ConsoleLine) {
        // Has the kernel's counters opened.
        _ = statistics
        Task { [self] in
            try? await Task.sleep(for: .milliseconds(10))
            guard let before = statistics else { return }
            try? await Task.sleep(for: .seconds(1))
            guard let after = statistics else { return }
            let table = StatisticsTable(after.since(before), name: configuration.name)
            line.show("\n\(table.text)\n")
        }
    }

    private func show(_ text: String, on line: ConsoleLine) {
        line.show("\n[\(configuration.name): \(text)]\n")
    }
}
