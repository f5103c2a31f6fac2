// The process of one machine. `caisson run` becomes it, with a description of the machine as its arguments and the
// kernel's files open.

import Caisson
import Glibc
import Logging

@main
enum CaissonVMM {
    static func main() {
        let description: MachineDescription
        do throws(MachineDescriptionError) {
            description = try MachineDescription(arguments: Array(CommandLine.arguments.dropFirst()))
        } catch {
            Messages.say("\(error)")
            exit(ExitStatus.usage.code)
        }
        LoggingSystem.bootstrap { _ in ConsoleLogHandler(level: description.logLevel) }
        Task.detached { exit(await MachineRun(description).run().code) }
        VirtualMachine.askHost()
        // An asynchronous `main` would end this thread by unwinding its stack, for which a static executable sorts all
        // its unwind tables first: 10 ms of CPU time, and memory that stays.
        while true { pause() }
    }
}
