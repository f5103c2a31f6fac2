import CLinux
import Caisson
import CaissonOptions
import Dispatch
import HostIO
import HostResources
import Synchronization

/// One more command in the guest of a machine that runs in another process: `caisson exec`.
final class SessionRun: Sendable {
    private let command: GuestCommand
    private let hasEnded = DispatchSemaphore(value: 0)
    private let interruption = Mutex<ExitStatus?>(nil)

    init(_ command: GuestCommand) { self.command = command }

    /// Runs the command by the agent at the other end of `socket`, and returns when it has ended.
    func run(on socket: consuming OwnedFileDescriptor) -> ExitStatus {
        do throws(VirtualMachineError) {
            let run = try CommandRun(command) { [hasEnded] _ in hasEnded.signal() }
            var signals = SignalWatch(MachineRun.signals(forCommand: true))
            signals.listen { [self] number in
                guard number != SIGWINCH else { return run.resize() }
                guard !run.forward(number, isEnding: MachineRun.isEnding(number)) else { return }
                interruption.withLock { $0 = .signal(number) }
                hasEnded.signal()
            }
            try run.start(on: socket)
            hasEnded.wait()
            run.finish { interruption.withLock { $0 } != nil }
            _ = consume signals
            if let interruption = interruption.withLock({ $0 }) { return interruption }
            if let failure = run.failure { Messages.say(failure) }
            return run.status ?? .commandLost
        } catch {
            Messages.say(error.message)
            return .commandLost
        }
    }
}
