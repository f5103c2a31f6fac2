/// Why there is no network in user mode, or none any more.
package enum UserNetworkError: Error, Equatable {
    /// The program that does the work is not where it belongs.
    case noHelper(path: String)
    case host(HostError)
    /// What the helper says.
    case refused(String)
    /// It did not say anything in time.
    case silent(path: String)
    /// The helper's exit status while the network was in use; 128 + n for signal n.
    case ended(status: Int32)
}

extension UserNetworkError: CustomStringConvertible {
    /// One line: what, why, and what to do.
    package var description: String {
        switch self {
        case .noHelper(let path):
            "there is no \(path), which a user network needs: scripts/build makes it, and CAISSON_SLIRP names another"
        case .host(let error): "cannot start the user network: \(error)"
        case .refused(let reason): "cannot start the user network: \(reason)"
        case .silent(let path): "cannot start the user network: \(path) does not get ready"
        case .ended(let status):
            "the user network is gone, as its process ended with "
                + (status > 128 ? "signal \(status - 128)" : "status \(status)")
        }
    }
}
