import Caisson
import HostIO
import Synchronization

/// What is copied to the host once the command has ended, one after the other.
final class CopyOutRun: Sendable {
    private struct State {
        var next = 0
        var problems: [String] = []
    }

    private let copies: [(copy: GuestCopyOut, source: String)]
    private let state = Mutex(State())

    /// - Throws: `hostFailure` where nothing could be made there.
    init(_ descriptions: [MachineDescription.CopyOut]) throws(VirtualMachineError) {
        copies = try descriptions.map { description throws(VirtualMachineError) in
            do throws(HostError) {
                return (
                    try GuestCopyOut(from: description.source, to: description.destination), description.source
                )
            } catch { throw VirtualMachineError(.hostFailure, "--copy-out \(description.source): \(error)") }
        }
    }

    /// - Parameter done: called at the end.
    func start(in machine: VirtualMachine, done: @escaping @Sendable () -> Void) {
        let index = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        guard copies.indices.contains(index) else { return done() }
        copies[index].copy.start(in: machine) { [self] problem in
            if let problem {
                state.withLock { $0.problems.append("--copy-out \(copies[index].source): \(problem)") }
            }
            start(in: machine, done: done)
        }
    }

    /// Gives up what is under way, and says what failed. A command that succeeded has then come to nothing.
    func status(after ending: ExitStatus) -> ExitStatus {
        for (copy, _) in copies { copy.abandon() }
        let problems = state.withLock { $0.problems }
        for problem in problems { Messages.say(problem) }
        return ending == .command(0) && !problems.isEmpty ? .commandLost : ending
    }
}
