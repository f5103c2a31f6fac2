/// What a command's streams are, as a word.
enum CommandStreams: String, CustomStringConvertible {
    case none, input, terminal, both

    init(_ command: GuestCommand) {
        self =
            switch (command.hasStandardInput, command.terminal != nil) {
            case (false, false): .none
            case (true, false): .input
            case (false, true): .terminal
            case (true, true): .both
            }
    }

    func apply(to command: inout GuestCommand) {
        command.hasStandardInput = self == .input || self == .both
        if self == .terminal || self == .both { command.terminal = .init(rows: 0, columns: 0) }
    }

    var description: String { rawValue }
}

extension GuestRootFileSystem: CustomStringConvertible {
    /// The type, and the partition behind a comma.
    public var description: String { partition.map { "\(type),\($0)" } ?? type }

    init?(description: String) {
        let words = description.split(separator: ",", omittingEmptySubsequences: false)
        guard let type = words.first.map(String.init), Self.isType(type), words.count <= 2 else { return nil }
        self.init(type: type)
        guard words.count == 2 else { return }
        guard let number = Int(words[1]), Self.partitions.contains(number) else { return nil }
        partition = number
    }
}
