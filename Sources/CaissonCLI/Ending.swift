import ArgumentParser
import CaissonOptions

/// How the process ends when a command throws. That is the way which help takes, too.
struct Ending: Equatable {
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let commandFailure: Int32 = 125

    var status: Int32
    /// Lines for standard output.
    var output = ""
    /// Lines for standard error.
    var complaint = ""

    /// - Parameter arguments: the command's, without its name.
    init(of error: any Error, arguments: some Sequence<String>) {
        switch error {
        case CommandError.failure(let message): self.init(status: Self.failure, complaint: "caisson: \(message)\n")
        case CommandError.commandFailure(let message):
            self.init(status: Self.commandFailure, complaint: "caisson: \(message)\n")
        case CommandError.usage(let message): self.init(misuse: message, arguments)
        case let code as ExitCode: self.init(status: code.rawValue)
        default:
            let message = CaissonCommand.message(for: error)
            if CaissonCommand.exitCode(for: error).isSuccess {
                self.init(status: 0, output: Self.withFurtherHelp(message) + "\n")
            } else {
                let isUnquoted = arguments.first { _ in true } == "run" && message.contains("Unexpected argument")
                let hint = isUnquoted ? "; a command for the guest comes behind --, as in -- ls" : ""
                self.init(misuse: Self.oneLine(message) + hint, arguments)
            }
        }
    }

    private init(status: Int32, output: String = "", complaint: String = "") {
        self.status = status
        self.output = output
        self.complaint = complaint
    }

    private init(misuse message: String, _ arguments: some Sequence<String>) {
        let names = CaissonCommand.configuration.subcommands.map { $0._commandName }
        let name = arguments.first { !$0.hasPrefix("-") }.flatMap { names.contains($0) ? "caisson \($0)" : nil }
        let hint = "Try '\(name ?? "caisson") --help'."
        self.init(status: Self.usage, complaint: "caisson: \(message)\n\(hint)\n")
    }

    /// The parser's messages begin with a capital and may go on in further lines.
    private static func oneLine(_ message: String) -> String {
        let line = message.split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " } }.joined(separator: " ")
        return line.prefix(1).lowercased() + line.dropFirst()
    }

    /// The parser's help has no place for what comes after the options.
    private static func withFurtherHelp(_ message: String) -> String {
        for (command, help) in CaissonCommand.furtherHelp where message == CaissonCommand.helpMessage(for: command) {
            let end = message.lastIndex { $0 != "\n" }.map(message.index(after:)) ?? message.endIndex
            return "\(message[..<end])\n\n\(help)"
        }
        return message
    }
}
