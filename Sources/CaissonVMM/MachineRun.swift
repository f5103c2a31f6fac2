import CLinux
import Caisson
import CaissonOptions
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
        do throws(VirtualMachineError) { return try run(at: address) } catch {
            Messages.say(error.message)
            return description.command == nil ? .failure : .commandLost
        }
    }

    /// - Parameter address: where the user's other commands find the machine.
    private func run(at address: String) throws(VirtualMachineError) -> ExitStatus {
        let machine = try VirtualMachine(
            configuration: VirtualMachineConfiguration(description), logger: Logger(label: description.name))
        publish(machine, at: address)
        let file = try description.statisticsFile.map { path throws(VirtualMachineError) in
            try StatisticsFile(path: path)
        }
        let copies = try CopyOutRun(description.copiesOut)
        let command = try description.command.map { command throws(VirtualMachineError) in
            var command = command
            // The machine ends with it, at once.
            command.synchronizesDisks = description.disks.contains { !$0.isReadOnly && !$0.isSnapshot }
            return try CommandRun(command, on: machine.control) { hasEnded in
                if hasEnded { copies.start(in: machine) { machine.beginStop() } } else { machine.beginStop() }
            }
        }
        let signals = SignalWatch(Self.signals(forCommand: command != nil))
        try machine.startHere()
        let attendance: MachineAttendance
        do throws(VirtualMachineError) {
            try command?.start(in: machine)
            attendance = try attend(machine, command, signals, file)
        } catch {
            // It runs already: its terminal and its disks are to be left as at any other end.
            machine.beginStop()
            _ = try? machine.waitHereUntilStopped()
            throw error
        }
        tellPaths(machine)
        let outcome = Result { () throws(VirtualMachineError) in try machine.waitHereUntilStopped() }
        attendance.machineHasEnded()
        let reason = try outcome.get()
        let ending = command.map { copies.status(after: status(of: $0, machine, reason)) }
        _ = consume attendance
        return ending ?? interruption.withLock { $0 } ?? status(for: reason)
    }

    /// - Parameter file: for statistics.
    private func attend(
        _ machine: VirtualMachine, _ command: CommandRun?, _ signals: consuming SignalWatch, _ file: StatisticsFile?
    ) throws(VirtualMachineError) -> MachineAttendance {
        do throws(HostError) {
            try startDeadline(machine)
            // A machine that starts is not stopped before it has: nothing could be done about a signal until now.
            return try MachineAttendance(of: machine, statistics: file, signals: signals) { [self] number in
                handle(number, machine, command)
            }
        } catch { throw VirtualMachineError(error) }
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
                    // A command is asked by a signal.
                    guard description.command == nil, machine.canRequestStop, (try? machine.requestStop()) != nil else {
                        return "ERROR no power button"
                    }
                    return "OK"
                default: return nil
                }
            })
    }

    private func tellPaths(_ machine: VirtualMachine) {
        if case .pseudoterminal = description.console, let path = machine.consolePath {
            Messages.say("the console of \(description.name) is \(path)")
        }
        for (port, path) in zip(description.consolePorts, machine.consoleDevicePaths) {
            guard case .pseudoterminal = port.console, let path else { continue }
            let name = port.name.map { " \($0)" } ?? ""
            Messages.say("the virtio console\(name) of \(description.name) is \(path)")
        }
    }

    static func signals(forCommand isForCommand: Bool) -> [Int32] {
        [SIGINT, SIGTERM, SIGHUP, SIGWINCH] + (isForCommand ? [SIGQUIT, SIGUSR1, SIGUSR2] : [])
    }

    private func handle(_ number: Int32, _ machine: VirtualMachine, _ command: CommandRun?) {
        guard number != SIGWINCH else {
            machine.consoleSizeChanged()
            command?.resize()
            return
        }
        if command?.forward(number, isEnding: Self.isEnding(number)) != true { stop(machine, .signal(number)) }
    }

    /// Whether a signal asks for an end.
    static func isEnding(_ number: Int32) -> Bool { number != SIGUSR1 && number != SIGUSR2 }

    private func startDeadline(_ machine: VirtualMachine) throws(HostError) {
        guard let timeout = description.timeout else { return }
        try machine.control.submit(after: timeout) { [self] in
            Messages.say("\(description.name) is stopped: its time of \(timeout) is over")
            stop(machine, .timeout)
        }
    }

    private func stop(_ machine: VirtualMachine, _ status: ExitStatus) {
        interruption.withLock { if $0 == nil { $0 = status } }
        machine.beginStop()
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

    private func status(
        of command: CommandRun, _ machine: VirtualMachine, _ reason: VirtualMachine.StopReason
    ) -> ExitStatus {
        command.finish { self.interruption.withLock { $0 } != nil }
        let ending = command.status
        switch ending {
        case nil, .commandLost?:
            if let interruption = interruption.withLock({ $0 }) { return interruption }
        case let ending?:
            if let failure = command.failure { Messages.say(failure) }
            return ending
        }
        switch reason {
        case .guestCrashed:
            _ = status(for: reason)
            for line in machine.lastConsoleLines(atMost: 20) { Messages.say("console: \(line)") }
        case .guestPoweredOff, .guestReset, .guestExited: Messages.say("the guest ended before its command")
        case .stopped, .quitByConsole:
            Messages.say(command.failure ?? "the machine was stopped before its command ended")
        }
        return .commandLost
    }
}
