import ArgumentParser
import CaissonOptions

/// `caisson completions`: the shells' way to complete this command's arguments.
struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Prints a completion script for a shell.")

    static let help = """
        EXAMPLES:
          In ~/.bashrc:              source <(caisson completions bash)
          In ~/.zshrc, after compinit:
                                     source <(caisson completions zsh)
          Once, for fish:            caisson completions fish \\
                                       > ~/.config/fish/completions/caisson.fish
        """

    @Argument(
        help: ArgumentHelp("bash, zsh or fish.", valueName: "shell"), completion: .list(["bash", "zsh", "fish"]))
    var shell: String

    func run() throws {
        guard let shell = CompletionShell(rawValue: shell) else {
            throw CommandError.usage("there are no completions for '\(shell)', but for bash, zsh and fish")
        }
        print(CaissonCommand.completionScript(for: shell))
    }
}
