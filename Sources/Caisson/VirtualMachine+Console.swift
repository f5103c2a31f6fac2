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
            control.submit { [self] in
                note(changeNow(from: [.running, .paused], by: .stopping) { pullPlug(.quitByConsole) })
            }
        case .togglePause: control.submit { [self] in togglePause(line) }
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

    private func togglePause(_ line: ConsoleLine) {
        if canResume {
            if note(changeNow(from: [.paused], by: .resuming, letGo)) { show("resumed", on: line) }
        } else {
            if note(changeNow(from: [.running], by: .pausing, hold)) { show("paused; Ctrl-A c goes on", on: line) }
        }
    }

    /// Whether a change came about.
    @discardableResult
    private func note(_ result: Result<Void, VirtualMachineError>) -> Bool {
        do throws(VirtualMachineError) { try result.get() } catch {
            logger.debug("\(error)")
            return false
        }
        return true
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
        let giveUp = balloon.requestStatistics { [self] statistics in
            var text = "the guest has \(mebibytes(balloon.virtualMachineMemorySize)) of memory"
            if balloon.targetVirtualMachineMemorySize != balloon.virtualMachineMemorySize {
                text += " and is to have \(mebibytes(balloon.targetVirtualMachineMemorySize))"
            }
            if let free = statistics?.free, let available = statistics?.available {
                text += "; \(mebibytes(free)) are free, \(mebibytes(available)) available"
            }
            show(text, on: line)
        }
        after(.seconds(5), giveUp)
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
        after(.milliseconds(10)) { [self] in
            guard let before = statistics else { return }
            after(.seconds(1)) { [self] in
                guard let after = statistics else { return }
                let table = StatisticsTable(after.since(before), name: configuration.name)
                line.show("\n\(table.text)\n")
            }
        }
    }

    /// Without descriptors for a timer it is now.
    private func after(_ time: Duration, _ work: @escaping @Sendable () -> Void) {
        do throws(HostError) { try control.submit(after: time, work) } catch {
            logger.debug("\(error)")
            control.submit(work)
        }
    }

    private func show(_ text: String, on line: ConsoleLine) {
        line.show("\n[\(configuration.name): \(text)]\n")
    }
}
