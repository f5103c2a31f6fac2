import ArgumentParser
import Caisson
import CaissonOptions
import Glibc
import HostIO
import HostResources

/// `caisson exec`: one more command in a running machine.
struct ExecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Runs a command in a machine that is running.",
        usage: "caisson exec [<options>] <name> -- <command> [<argument>]...",
        discussion: """
            The guest is the default one, or one that was started from an image or with --root. A guest that is still \
            starting is waited for.
            """)

    static let help = """
        EXAMPLES:
          caisson exec web -- ps             a command's output
          caisson exec -it web -- sh         a shell on this terminal
          tar c . | caisson exec -i web -- tar x -C /srv
                                             files into the guest

        EXIT STATUS:
          the command's; 128 and the signal that ended it; 126 it cannot be
          executed, 127 there is none, 125 Caisson failed
        """

    @Argument(help: ArgumentHelp("The machine; `caisson list` shows the names.", valueName: "name"))
    var name: String

    @OptionGroup(title: "Command") var command: CommandOptions

    /// How long a guest may take to start, and how often its agent is asked for meanwhile.
    private static let patience = Duration.seconds(60)
    private static let interval: UInt32 = 100_000

    func run() throws {
        guard let command = try command.options.guestCommand(hostName: name) else {
            throw CommandError.usage("there is no command to run: give one behind --, as in -- ps")
        }
        HostProcess.openStandardStreams()
        do throws(CommandError) { try Self.become(command, in: name) } catch {
            guard case .failure(let message) = error else { throw error }
            throw CommandError.commandFailure(message)
        }
    }

    private static func become(_ command: GuestCommand, in name: String) throws(CommandError) {
        let program = try MachineProgram.locate()
        let socket = try agent(of: name)
        socket.outlastExec()
        throw program.become(SessionWords.arguments(command, socket: socket.rawValue))
    }

    /// A connection with the guest's agent.
    private static func agent(of name: String) throws(CommandError) -> OwnedFileDescriptor {
        let end = ContinuousClock.now + patience
        while true {
            let machine = try RunningMachine.wanted(name)
            guard machine.status.hasAgent else {
                throw .failure(
                    "the guest of \(name) has no agent that runs commands: it has a kernel or a ramdisk of its own")
            }
            var refusal = ""
            if let socket = try machine.connect(toPort: GuestCommand.agentPort, refusal: &refusal) { return socket }
            guard ContinuousClock.now < end else {
                throw .failure("the agent in the guest of \(name) cannot be reached: \(refusal)")
            }
            usleep(interval)
        }
    }
}

extension CommandOptions {
    /// As `caisson run` has them.
    fileprivate var options: RunOptions {
        var options = RunOptions()
        apply(to: &options)
        return options
    }
}
