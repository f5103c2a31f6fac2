// `caisson`: the process of one machine, and the way to everything else.

import CLinux
import Caisson
import CaissonOptions
import Glibc
import HostIO
import HostResources
import Logging
import SystemPackage

@main
enum CaissonVMM {
    static func main() {
        HostProcess.openStandardStreams()
        caisson_prepare_for_threads()
        if HostProcess.firstArgumentBegins(with: "run") || HostProcess.firstArgumentBegins(with: "name=") {
            VirtualMachine.prepareHost()
        }
        caisson_prepare_pages()
        let words = Array(CommandLine.arguments.dropFirst())
        refuseWhatIsNoText(words)
        if let status = session(words) { exit(status.code) }
        guard let description = described(words) ?? plainlyAsked(words) else { becomeCommand(words) }
        LoggingSystem.bootstrap { _ in ConsoleLogHandler(level: description.logLevel) }
        // Nothing here is asynchronous: that would begin with threads, and end this one by unwinding its stack, for which
        // a static executable sorts all its unwind tables first, in 10 ms of CPU time.
        exit(MachineRun(description).run().code)
    }

    /// Swift mends words that are no text, and the guest would get others than its user wrote.
    private static func refuseWhatIsNoText(_ words: [String]) {
        // The first byte of what stands in for bytes that are no text.
        guard words.contains(where: { $0.utf8.contains(0xEF) }), let number = HostProcess.argumentThatIsNoText else {
            return
        }
        Messages.say(
            "argument \(number) is no UTF-8 text: '\(words[number - 1])'; "
                + "to give a command such bytes, have the guest's shell write them, or put them in a file")
        exit(ExitStatus.usage.code)
    }

    /// The command that `caisson-cli` describes for the guest of a machine that runs, with its agent at a descriptor.
    private static func session(_ words: [String]) -> ExitStatus? {
        guard let text = words.first, text.hasPrefix(SessionWords.socket) else { return nil }
        do throws(MachineDescriptionError) {
            let command = try GuestCommand(words: Array(words.dropFirst()))
            guard let number = Int32(text.dropFirst(SessionWords.socket.count)), number > 2 else {
                throw .invalid(SessionWords.socket, text, expected: "a descriptor")
            }
            return SessionRun(command).run(on: OwnedFileDescriptor(owning: number))
        } catch {
            Messages.say("\(error)")
            return .usage
        }
    }

    /// The machine that `caisson-cli` describes, with its files open. No command begins with `name=`.
    private static func described(_ words: [String]) -> MachineDescription? {
        guard words.first?.hasPrefix("name=") == true else { return nil }
        do throws(MachineDescriptionError) {
            return try MachineDescription(arguments: words)
        } catch {
            Messages.say("\(error)")
            exit(ExitStatus.usage.code)
        }
    }

    /// The machine that `caisson run` asks for, if it does so in the plainest words and nothing is wrong: the parser,
    /// and another program to run it, would take longer than the machine.
    private static func plainlyAsked(_ words: [String]) -> MachineDescription? {
        guard words.first == "run", HostProcess.environment("CAISSON_VMM") == nil,
            let options = RunOptions(plain: words.dropFirst())
        else { return nil }
        return try? options.describe()
    }

    /// All else, and every mistake, is for `caisson-cli`.
    private static func becomeCommand(_ words: [String]) -> Never {
        guard let own = HostProcess.executablePath else {
            Messages.say("cannot find caisson-cli: /proc/self/exe cannot be read")
            exit(ExitStatus.failure.code)
        }
        let program = FilePath(own).removingLastComponent().appending("caisson-cli").string
        let error = HostProcess.become(program, arguments: words)
        Messages.say("\(error); it belongs beside caisson, and scripts/build makes both")
        exit(ExitStatus.failure.code)
    }
}
