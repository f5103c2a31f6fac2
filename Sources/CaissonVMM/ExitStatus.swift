/// How the process tells its caller what became of the machine.
enum ExitStatus: Equatable, Sendable {
    /// The guest switched off, or the user quit.
    case success
    /// Caisson or the host failed.
    case failure
    case usage
    /// The guest's kernel panicked, or its processor shut down.
    case guestCrashed
    /// The guest chose the status, through the debug-exit port.
    case guest(UInt8)
    /// A command's own, or what a shell would say of one that cannot be started.
    case command(UInt8)
    /// Caisson, the host or the guest failed before a command ended.
    case commandLost
    /// The time given by `--timeout` was over.
    case timeout
    /// A signal ended the machine.
    case signal(Int32)

    /// The status by which shells know it.
    var code: Int32 {
        switch self {
        case .success: 0
        case .failure: 1
        case .usage: 2
        case .guestCrashed: 3
        case .guest(let status), .command(let status): Int32(status)
        case .commandLost: 125
        case .timeout: 124
        case .signal(let number): 128 + number
        }
    }
}
