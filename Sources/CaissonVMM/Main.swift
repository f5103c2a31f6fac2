// The process of one machine. `caisson run` becomes it, with a description of the machine as its arguments and the
// kernel's files open.

import Caisson
import Glibc
import Logging

@main
enum CaissonVMM {
    static func main() async {
        let description: MachineDescription
        do throws(MachineDescriptionError) {
            description = try MachineDescription(arguments: Array(CommandLine.arguments.dropFirst()))
        } catch {
            Messages.say("\(error)")
            exit(ExitStatus.usage.code)
        }
        LoggingSystem.bootstrap { _ in ConsoleLogHandler(level: description.logLevel) }
        exit(await MachineRun(description).run().code)
    }
}
