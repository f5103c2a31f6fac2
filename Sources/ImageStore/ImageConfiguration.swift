/// What an image says of the command that runs in it.
package struct ImageConfiguration: Codable, Equatable, Sendable {
    /// The program and its first arguments; empty where the command is all.
    package var entrypoint: [String] = []
    /// What follows the entry point where nothing else was asked for.
    package var command: [String] = []
    /// `NAME=value` each.
    package var environment: [String] = []
    /// A name or number, or `user:group`; empty for root.
    package var user = ""
    /// An absolute path; empty for the root directory.
    package var workingDirectory = ""

    package init() {}
}
