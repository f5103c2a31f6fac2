import CLinux
import Caisson
import CaissonOptions
import Dispatch
import HostIO
import Logging
import Synchronization

/// One machine from its start to its end, as the process sees it.
final class MachineRun: Sendable {
    private let description: MachineDescription
    /// Why the process stopped the machine, if it did.
    private let interruption = Mutex<ExitStatus?>(nil)

    init(_ description: MachineDescription) { self.description = description }

    /// Runs the machine on this thread, and returns when it has ended.
    func run() -> ExitStatus {
        let address: String
        do { address = try MachineStatus.address(of: description.name) } catch {
            Messages.say(error.message)
            return .usage
        }
        do throws(VirtualMachineError) {
            let machine = try VirtualMachine(
                configuration: VirtualMachineConfiguration(description), logger: Logger(label: description.name))
            publish(machine, at: address)
            let file = try description.statisticsFile.map { path throws(VirtualMachineError) in
                try StatisticsFile(path: path)
            }
            let signals = SignalWatch { [self] number in
                if number == SIGWINCH { machine.consoleSizeChanged() } else { stop(machine, .signal(number)) }
            }
            try machine.startHere()
            var recorder = file.map { StatisticsRecorder(of: machine, in: $0) }
            defer { recorder.take()?.finish(machine.statistics) }
            // A signal may have come before there was anything to stop.
            if interruption.withLock({ $0 }) != nil { stop(machine, .success) }
            startDeadline(machine)
            if case .pseudoterminal = description.console, let path = machine.consolePath {
                Messages.say("the console of \(description.name) is \(path)")
            }
            for (port, path) in zip(description.consolePorts, machine.consoleDevicePaths) {
                guard case .pseudoterminal = port.console, let path else { continue }
                let name = port.name.map { " \($0)" } ?? ""
                Messages.say("the virtio console\(name) of \(description.name) is \(path)")
            }
            let reason = try machine.waitHereUntilStopped {
                // What only the start needed, most of the program, stays in the page cache alone.
                _ = caisson_release_code()
            }
            _ = consume signals
            return interruption.withLock { $0 } ?? status(for: reason)
        } catch {
            Messages.say(error.message)
            return .failure
        }
    }

    /// Lets the user's other commands find the machine.
    /// - Parameter address: where they look for it.
    private func publish(_ machine: VirtualMachine, at address: String) {
        let begin = ContinuousClock.now
        machine.setControl(
            MachineControl(address: address) { [description, weak machine] word in
                guard let machine else { return nil }
                switch word {
                case MachineStatus.question:
                    return MachineStatus(of: description, state: machine.state, uptime: .now - begin).line
                case MachineOrder.stop:
                    guard machine.canRequestStop, (try? machine.requestStop()) != nil else {
                        return "ERROR no power button"
                    }
                    return "OK"
                default: return nil
                }
            })
    }

    private func startDeadline(_ machine: VirtualMachine) {
        guard let timeout = description.timeout else { return }
        let (seconds, attoseconds) = timeout.components
        let nanoseconds = Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(nanoseconds)) { [self] in
            Messages.say("\(description.name) is stopped: its time of \(timeout) is over")
            stop(machine, .timeout)
        }
    }

    private func stop(_ machine: VirtualMachine, _ status: ExitStatus) {
        interruption.withLock { if $0 == nil { $0 = status } }
        Task {
            // It may have ended by itself in this moment.
            try? await machine.stop()
        }
    }

    private func status(for reason: VirtualMachine.StopReason) -> ExitStatus {
        switch reason {
        case .guestPoweredOff, .guestReset, .stopped, .quitByConsole: return .success
        case .guestExited(let status): return .guest(status)
        case .guestCrashed(.panic):
            Messages.say("the guest's kernel panicked")
            return .guestCrashed
        case .guestCrashed(.tripleFault):
            Messages.say("the guest crashed: its processor shut down after a triple fault")
            return .guestCrashed
        }
    }
}
