package import Caisson
import HostIO

/// A command for the guest.
extension RunOptions {
    var hasCommand: Bool { !command.isEmpty }

    /// The command that is asked for; nil where none is.
    package func guestCommand(hostName: String) throws(CommandError) -> GuestCommand? {
        guard hasCommand else {
            if let guest {
                throw .usage("the image \(guest) names no command: give one behind --, as in -- sh -c 'ls /'")
            }
            if root != nil { throw .usage("--root is for a command: give one behind --, as in -- sh -c 'ls /'") }
            let given = [
                ("--interactive", interactive), ("--tty", tty), ("--env", !env.isEmpty), ("--workdir", workdir != nil),
                ("--user", user != nil), ("--copy-in", !copyIn.isEmpty), ("--copy-out", !copyOut.isEmpty),
                ("--keep", keep != nil),
            ]
            if let (name, _) = given.first(where: { $0.1 }) {
                throw .usage("\(name) is for a command: give one behind --, as in -- ls")
            }
            return nil
        }
        // Otherwise there is no agent, and nobody would ever start the command.
        guard root != nil || (kernel == nil && initrd.isEmpty) else {
            throw .usage(
                "a command runs in the default guest or on a root file system: give an image or --root beside --kernel, and no --initrd"
            )
        }
        var command = GuestCommand(command)
        command.environment["HOSTNAME"] = hostName
        command.hasStandardInput = interactive
        if tty {
            guard !interactive || Terminal.size(of: 0) != nil else {
                throw .usage("--tty has the command use this terminal, and standard input is none: leave -t out")
            }
            // Its size is that of the terminal when the command starts.
            command.terminal = .init(rows: 0, columns: 0)
            command.environment["TERM"] = HostProcess.environment("TERM") ?? "xterm"
        }
        for word in env { try add(word, to: &command) }
        if let workdir {
            guard workdir.hasPrefix("/"), !workdir.utf8.contains(0) else {
                throw .usage("--workdir '\(workdir)' is no directory of the guest's: use an absolute path, as in /work")
            }
            command.workingDirectory = workdir
        }
        if let user {
            guard !user.isEmpty, !user.utf8.contains(0) else {
                throw .usage("--user '\(user)' is no user: use NAME or NUMBER, which :GROUP may follow")
            }
            command.user = user
        }
        return command
    }

    /// `NAME=VALUE`, or `NAME` for the value that it has here; nothing where it has none.
    private func add(_ word: String, to command: inout GuestCommand) throws(CommandError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, !name.isEmpty, !word.utf8.contains(0) else {
            throw .usage(
                "--env '\(word)' is no word of an environment: use NAME=VALUE, or NAME for the value it has here")
        }
        if parts.count == 2 {
            command.environment[String(name)] = String(parts[1])
        } else if let value = HostProcess.environment(String(name)) {
            command.environment[String(name)] = value
        }
    }

    /// The root file system that is asked for.
    func rootSpecification() throws(CommandError) -> RootSpecification? {
        guard let root else { return nil }
        guard initrd.isEmpty else {
            throw .usage("--root starts from the agent's own initramfs, which --initrd would replace: give one of them")
        }
        return try RootSpecification(root)
    }
}
