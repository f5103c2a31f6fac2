import ArgumentParser
import CaissonOptions

/// `caisson list`: what runs.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the machines that are running.",
        discussion: "Shows the machines that this user started, by `caisson run` in any terminal.",
        aliases: ["ls", "ps"])

    static let help = """
        EXAMPLES:
          caisson list                       a table
          caisson list -q | xargs caisson stop
                                             stops them all
        """

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(name: .shortAndLong, help: "Print names alone.")
    var quiet = false

    func run() throws {
        let machines = try RunningMachine.all()
        if json {
            print(JSONValue.array(machines.map(\.json)).text)
        } else if quiet {
            for machine in machines { print(machine.name) }
        } else {
            print(Self.table(machines))
        }
    }

    static func table(_ machines: [MachineStatus]) -> String {
        let headings = ["NAME", "PROCESS", "STATE", "CPUS", "MEMORY", "UP", "GUEST"]
        let rows = machines.map { machine in
            [
                machine.name, "\(machine.process)", machine.state, "\(machine.processorCount)",
                "\(ByteSize(machine.memorySize))", age(machine.uptime),
                machine.command.isEmpty ? machine.guest : "\(machine.guest): \(machine.command)",
            ]
        }
        return TextTable(rows: [headings] + rows).text
    }

    /// In the two largest units.
    static func age(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        return switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m\(seconds % 60)s"
        case ..<86400: "\(seconds / 3600)h\(seconds / 60 % 60)m"
        default: "\(seconds / 86400)d\(seconds / 3600 % 24)h"
        }
    }
}
