import ArgumentParser
import Caisson

/// The command `caisson`.
struct CaissonCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "caisson",
        abstract: "Boots Linux guests in virtual machines of their own, on KVM.",
        version: "caisson \(Version.current)",
        subcommands: [
            RunCommand.self, ListCommand.self, ExecCommand.self, StopCommand.self, ImageCommand.self,
            BenchCommand.self, DoctorCommand.self, CompletionsCommand.self,
        ])

    /// What the help of each command says after its options.
    static var furtherHelp: [(command: any ParsableCommand.Type, text: String)] {
        [
            (CaissonCommand.self, help), (RunCommand.self, RunCommand.help), (ListCommand.self, ListCommand.help),
            (ExecCommand.self, ExecCommand.help), (StopCommand.self, StopCommand.help),
            (BenchCommand.self, BenchCommand.help),
            (DoctorCommand.self, DoctorCommand.help), (CompletionsCommand.self, CompletionsCommand.help),
        ] + ImageCommand.furtherHelp
    }

    private static let help = """
        EXAMPLES:
          caisson run                        a shell in the default guest
          caisson run --kernel vmlinux       a kernel of your own
          caisson list                       what is running
          caisson exec -it NAME -- sh        one more command in it
          caisson stop NAME                  ends it
          caisson bench                      what a machine costs against a container
          caisson doctor                     whether machines can run on this host

        EXIT STATUS:
          0 success, 1 failure, 2 wrong usage; `caisson run` has more.
        """
}
