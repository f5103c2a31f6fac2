import ArgumentParser
import CaissonOptions
import Glibc
import HostIO

/// `caisson stop`: ends machines.
struct StopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stops running machines.",
        discussion:
            "Asks the guest by its power button, or its command by SIGTERM, and ends the machine where that is of no use."
    )

    static let help = """
        EXAMPLES:
          caisson stop web                   by its name; `caisson list` shows the names
          caisson stop --time 2m debian      for a guest that takes long
          caisson stop --time 0 web          at once, without asking the guest

        EXIT STATUS:
          0                                  all of them have ended
          1                                  one was not running, or did not end
        """

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "How long a guest has to shut down before its machine is ended: 0 for not at all.", valueName: "time"))
    var time = "30s"

    @Argument(help: ArgumentHelp("Names of machines.", valueName: "name"))
    var names: [String]

    /// How long a process has to end its machine in good order, and to end at all.
    private static let grace: Int32 = 5000

    func run() throws {
        let patience = try Self.milliseconds(time)
        for name in names { try RunningMachine.check(name) }
        var failures: [String] = []
        for name in names {
            do throws(CommandError) { try Self.stop(name, within: patience) } catch { failures.append(error.message) }
        }
        guard failures.isEmpty else { throw CommandError.failure(failures.joined(separator: "\ncaisson: ")) }
    }

    static func milliseconds(_ text: String) throws(CommandError) -> Int32 {
        if text == "0" { return 0 }
        guard let span = TimeSpan(parsing: text), let milliseconds = Int32(exactly: span.milliseconds) else {
            throw .usage(
                "--time '\(text)' is no time: use a number and ms, s, m, h or d up to 24 days, as in 30s, or 0")
        }
        return milliseconds
    }

    private static func stop(_ name: String, within patience: Int32) throws(CommandError) {
        let machine = try RunningMachine.wanted(name)
        let isAsked = patience > 0 ? try machine.order(MachineOrder.stop) : false
        if isAsked, machine.process.hasEnded(within: patience) { return }
        do {
            // A command gets the signal, and has its time from now on.
            try machine.process.signal(SIGTERM)
            if machine.process.hasEnded(within: isAsked ? grace : max(grace, patience)) { return }
            try machine.process.signal(SIGKILL)
        } catch { throw .failure("\(name) cannot be stopped: \(error)") }
        guard machine.process.hasEnded(within: Self.grace) else {
            throw .failure("\(name) does not end: its process \(machine.process.id) was killed, and is still there")
        }
    }
}
