import GuestAgent

extension GuestCommand {
    /// Where a guest's agent listens for commands.
    package static let agentPort = AgentProtocol.port

    private enum Field: String { case argument, environment, workdir, user, streams }

    private static func split(_ word: String) -> (Field, String)? {
        guard let (key, value) = word.split(at: "="), let field = Field(rawValue: key) else { return nil }
        return (field, value)
    }

    /// Whether a word is one of a command's.
    static func isWord(_ word: String) -> Bool { split(word) != nil }

    /// The command in words that `init(words:)` takes.
    package var words: [String] {
        func word(_ field: Field, _ value: some CustomStringConvertible) -> String { "\(field.rawValue)=\(value)" }
        var words = arguments.map { word(.argument, $0) }
        words += environment.sorted { $0.key < $1.key }.map { word(.environment, "\($0.key)=\($0.value)") }
        if let workingDirectory { words.append(word(.workdir, workingDirectory)) }
        if let user { words.append(word(.user, user)) }
        words.append(word(.streams, CommandStreams(self)))
        return words
    }

    /// Reads a command: at least one `argument`, and `streams`; `environment` may be repeated or missing, `workdir` and `user` missing.
    package init(words: [String]) throws(MachineDescriptionError) {
        var arguments: [String] = []
        var environment: [String: String] = [:]
        var values: [Field: String] = [:]
        for word in words {
            guard let (field, value) = Self.split(word) else { throw .unknownWord(word) }
            switch field {
            case .argument: arguments.append(value)
            case .environment:
                guard let (name, value) = value.split(at: "="), !name.isEmpty else {
                    throw .invalid(field.rawValue, value, expected: "NAME=VALUE")
                }
                environment[name] = value
            case .workdir, .user, .streams:
                guard values.updateValue(value, forKey: field) == nil else { throw .repeated(field.rawValue) }
            }
        }
        guard !arguments.isEmpty else { throw .missing(Field.argument.rawValue) }
        guard let text = values[.streams] else { throw .missing(Field.streams.rawValue) }
        guard let streams = CommandStreams(rawValue: text) else {
            throw .invalid(Field.streams.rawValue, text, expected: "none, input, terminal or both")
        }
        self.init(arguments)
        self.environment = environment
        workingDirectory = values[.workdir]
        user = values[.user]
        streams.apply(to: &self)
    }
}

/// What a command's streams are, as a word.
private enum CommandStreams: String, CustomStringConvertible {
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
    private static let layerWord = "layer="

    /// The type; behind commas the partition and the layer's disk.
    public var description: String {
        var words = [type]
        if let partition { words.append("\(partition)") }
        if let layerDisk { words.append("\(Self.layerWord)\(layerDisk)") }
        return words.joined(separator: ",")
    }

    init?(description: String) {
        var words = description.split(separator: ",", omittingEmptySubsequences: false)[...]
        guard let type = words.popFirst().map(String.init), Self.isType(type) else { return nil }
        self.init(type: type)
        if let last = words.last, last.hasPrefix(Self.layerWord) {
            guard let disk = Int(last.dropFirst(Self.layerWord.count)), disk > 0 else { return nil }
            layerDisk = disk
            words.removeLast()
        }
        guard let word = words.popFirst() else { return }
        guard let number = Int(word), Self.partitions.contains(number), words.isEmpty else { return nil }
        partition = number
    }
}
