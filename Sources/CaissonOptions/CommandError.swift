/// Why a command does not do what it was asked for.
package enum CommandError: Error, Equatable {
    /// The arguments make no sense.
    case usage(String)
    /// They do, and it did not work.
    case failure(String)
    /// It did not work, and there would have been a command, whose statuses are its own.
    case commandFailure(String)

    package var message: String {
        switch self {
        case .usage(let message), .failure(let message), .commandFailure(let message): message
        }
    }
}
