import CLinux
import Caisson
import CaissonOptions
import HostIO
import HostResources
import Synchronization

/// One more command in the guest of a machine that runs in another process: `caisson exec`.
final class SessionRun: Sendable {
    private struct State {
        var hasEnded = false
        var interruption: ExitStatus?
    }

    private let command: GuestCommand
    private let state = Mutex(State())

    init(_ command: GuestCommand) { self.command = command }

    /// Runs the command by the agent at the other end of `socket`, and returns when it has ended.
    func run(on socket: consuming OwnedFileDescriptor) -> ExitStatus {
        do throws(VirtualMachineError) { return try start(on: socket) } catch {
            Messages.say(error.message)
            return .commandLost
        }
    }

    private func start(on socket: consuming OwnedFileDescriptor) throws(VirtualMachineError) -> ExitStatus {
        let loop: EventLoop
        do { loop = try EventLoop(name: "caisson", startsNow: false) } catch { throw VirtualMachineError(error) }
        let run = try CommandRun(command, on: loop) { [self] _ in state.withLock { $0.hasEnded = true } }
        var signals = SignalWatch(MachineRun.signals(forCommand: true))
        do {
            try signals.listen(on: loop) { [self] number in
                guard number != SIGWINCH else { return run.resize() }
                guard !run.forward(number, isEnding: MachineRun.isEnding(number)) else { return }
                state.withLock { $0.interruption = .signal(number) }
            }
        } catch { throw VirtualMachineError(error) }
        try run.start(on: socket)
        loop.run(until: { state.withLock { $0.hasEnded || $0.interruption != nil } })
        run.finish { state.withLock { $0.interruption } != nil }
        _ = consume signals
        if let interruption = state.withLock({ $0.interruption }) { return interruption }
        if let failure = run.failure { Messages.say(failure) }
        return run.status ?? .commandLost
    }
}
