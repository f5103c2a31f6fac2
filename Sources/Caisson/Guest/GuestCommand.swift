import GuestAgent

/// A command for a machine's guest: `VirtualMachine.run(_:)`.
public struct GuestCommand: Sendable, Equatable {
    /// The size of a terminal's window, in characters.
    public struct WindowSize: Sendable, Equatable {
        /// Lines.
        public var rows: UInt16
        /// Characters of a line.
        public var columns: UInt16

        /// A window of that size.
        public init(rows: UInt16, columns: UInt16) {
            self.rows = rows
            self.columns = columns
        }
    }

    /// The program and its arguments. It is found by the environment's PATH unless there is a slash in it.
    public var arguments: [String]
    /// All of its environment but HOME, which is the user's home unless it is here.
    public var environment: [String: String] = Self.defaultEnvironment
    /// Where it works; made where it is missing. Nil for the root directory.
    public var workingDirectory: String?
    /// Its user: a name of the guest's or a number, which `:GROUP` may follow. Nil for root.
    public var user: String?
    /// The first size of a terminal's window that is its standard input, output and error; nil for streams apart.
    public var terminal: WindowSize?
    /// Whether it gets input by `GuestProcess.write(_:)`; otherwise it has none.
    public var hasStandardInput = false
    /// Whether all that was written in the guest is on its disks before the command's end is told.
    public var synchronizesDisks = false

    /// A command without input, as root, in the root directory.
    /// - Parameter arguments: the program and its arguments.
    public init(_ arguments: [String]) { self.arguments = arguments }

    /// What a command's environment is unless it is said: PATH with the usual directories.
    public static let defaultEnvironment = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    ]
}

extension CommandRequest {
    /// - Throws: `invalidConfiguration` for what no command can be.
    init(_ command: GuestCommand) throws(VirtualMachineError) {
        func invalid(_ message: String) -> VirtualMachineError { VirtualMachineError(.invalidConfiguration, message) }
        self.init(arguments: command.arguments)
        environment = command.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        workingDirectory = command.workingDirectory ?? ""
        user = command.user ?? ""
        terminal = command.terminal.map { WindowSize(rows: $0.rows, columns: $0.columns) }
        hasInput = command.hasStandardInput
        isSynchronized = command.synchronizesDisks
        guard !arguments.isEmpty else { throw invalid("a command has at least one word: its program") }
        guard !(arguments + environment + [workingDirectory, user]).contains(where: { $0.utf8.contains(0) }) else {
            throw invalid("a word of the command holds a NUL byte, which no program can be given")
        }
        guard size <= AgentProtocol.requestLimit else {
            throw invalid(
                "the command has \(size) bytes of arguments and environment; there is room for "
                    + "\(AgentProtocol.requestLimit)")
        }
    }
}
