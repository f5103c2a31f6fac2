package import Caisson

/// How `caisson-cli` has the machine's program run one more command in a guest.
package enum SessionWords {
    /// Before the number of the descriptor at whose other end the agent is. No command begins so.
    package static let socket = "session="

    /// The words for it.
    package static func arguments(_ command: GuestCommand, socket descriptor: Int32) -> [String] {
        ["\(socket)\(descriptor)"] + command.words
    }
}
