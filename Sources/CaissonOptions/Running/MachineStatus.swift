package import Caisson
import Glibc
import HostIO

/// What a running machine says of itself.
package struct MachineStatus: Equatable, Sendable {
    package var name: String
    /// The machine's process.
    package var process: Int32
    package var state: String
    package var uptime: Duration
    package var processorCount: Int
    /// Bytes.
    package var memorySize: UInt64
    /// The image, the root file system's file, or the kernel's.
    package var guest: String
    /// Whether its guest has an agent that runs commands.
    package var hasAgent: Bool
    /// What runs in it; empty for a machine with a console alone.
    package var command: String

    package init(of description: MachineDescription, state: VirtualMachine.State, uptime: Duration) {
        name = description.name
        process = getpid()
        self.state = state.rawValue
        self.uptime = uptime
        processorCount = description.processorCount
        memorySize = description.memorySize
        hasAgent = description.hasAgent
        guest = description.guest ?? description.kernel.path
        command = description.command?.arguments.joined(separator: " ") ?? ""
    }

    /// The question that `line` answers.
    package static let question = "STATUS"

    /// The variable that keeps machines of one user apart.
    package static let spaceVariable = "CAISSON_SPACE"
    /// Characters of its value: behind a user's number and before a name, as long as they can be, they fit in an address of 107 bytes.
    package static let longestSpace = 24

    /// Where the machines of this process's user and space are found: what all addresses begin with.
    /// - Throws: `usage` where $CAISSON_SPACE is no name.
    package static func addressPrefix() throws(CommandError) -> String {
        guard let space = HostProcess.environment(spaceVariable), !space.isEmpty else { return "caisson/\(geteuid())/" }
        guard MachineDescription.isName(space), space.utf8.count <= longestSpace else {
            throw .usage(
                "\(spaceVariable)='\(space)' is no name: use letters, digits, '_', '.' and '-', at most "
                    + "\(longestSpace)")
        }
        // A colon is in no name, nor is a slash.
        return "caisson/\(geteuid()):\(space)/"
    }

    /// Where the machine with that name is found.
    /// - Throws: `usage` where $CAISSON_SPACE is no name.
    package static func address(of name: String) throws(CommandError) -> String { try addressPrefix() + name }

    private static let separator: Character = "\t"
    /// Characters of a value at most: a command can be longer than what is answered at once.
    private static let longestValue = 1000

    /// On one line: a name and a value for each, separated by tabs.
    package var line: String {
        let fields: [(String, String)] = [
            ("name", name), ("process", "\(process)"), ("state", state), ("uptime", "\(uptime.milliseconds)"),
            ("processors", "\(processorCount)"), ("memory", "\(memorySize)"), ("agent", hasAgent ? "yes" : "no"),
            ("guest", guest), ("command", command),
        ]
        return fields.map { "\($0)=\(Self.plain($1))" }.joined(separator: "\(Self.separator)")
    }

    /// - Parameter line: of any version of Caisson: what is not known is passed over. Nil where something is missing.
    package init?(line: String) {
        var fields: [Substring: String] = [:]
        for field in line.split(separator: Self.separator) {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { fields[parts[0]] = Self.plain(String(parts[1])) }
        }
        guard let name = fields["name"], MachineDescription.isName(name), let state = fields["state"],
            let process = fields["process"].flatMap({ Int32($0) }), process > 0,
            let uptime = fields["uptime"].flatMap({ Int64($0) }), uptime >= 0,
            let processorCount = fields["processors"].flatMap({ Int($0) }), processorCount > 0,
            let memorySize = fields["memory"].flatMap({ UInt64($0) })
        else { return nil }
        self.name = name
        self.process = process
        self.state = state
        self.uptime = .milliseconds(uptime)
        self.processorCount = processorCount
        self.memorySize = memorySize
        hasAgent = fields["agent"] == "yes"
        guest = fields["guest"] ?? ""
        command = fields["command"] ?? ""
    }

    /// Without anything that a terminal or this format would take for more than text, and not too long.
    private static func plain(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let shown = scalars.prefix(longestValue).map { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? " " : $0 }
        return String(String.UnicodeScalarView(shown)) + (shown.count < scalars.count ? "…" : "")
    }

    /// For programs. Keys may be added.
    package var json: JSONValue {
        .object([
            ("name", .string(name)), ("process", JSONValue(Int(process))), ("state", .string(state)),
            ("uptime", .nanoseconds(uptime)), ("processors", JSONValue(processorCount)),
            ("memory", .integer(memorySize)),
            ("guest", .string(guest)), ("command", .string(command)),
        ])
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
