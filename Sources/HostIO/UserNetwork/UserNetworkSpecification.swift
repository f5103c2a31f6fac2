/// A network in user mode as the user writes it, behind its name: `[host-loopback][,publish=FORWARD]...`
package struct UserNetworkSpecification: Equatable, Sendable {
    /// Ports of the host's that lead to the guest, in the user's order. No two collide.
    package private(set) var publishes: [PortForward] = []
    /// Whether the guest reaches what listens on the host's 127.0.0.1 only, at 10.0.2.2.
    package var reachesHostLoopback = false

    package init() {}

    /// - Throws: `PortForwardError`, where another one listens there.
    package mutating func publish(_ forward: PortForward) throws(PortForwardError) {
        guard !publishes.contains(where: forward.collides) else {
            throw PortForwardError(text: forward.description, reason: .repeated)
        }
        publishes.append(forward)
    }
}

/// What a user network does not know.
package enum UserNetworkSpecificationError: Error, Equatable, CustomStringConvertible {
    case unknownOption(String)
    case repeatedOption(String)
    case unusableForward(PortForwardError)

    package var description: String {
        switch self {
        case .unknownOption(let word):
            "a user network has no option '\(word)': there are host-loopback and publish=[ADDRESS:]HOSTPORT:GUESTPORT[/udp]"
        case .repeatedOption(let word): "\(word) is there twice"
        case .unusableForward(let error): "\(error)"
        }
    }
}

extension UserNetworkSpecification {
    private static let hostLoopback = "host-loopback"
    private static let publish = "publish="

    /// Reads what `options` says.
    /// - Throws: `UserNetworkSpecificationError`.
    package init(options: some Sequence<String>) throws(UserNetworkSpecificationError) {
        for option in options {
            if option == Self.hostLoopback {
                guard !reachesHostLoopback else { throw .repeatedOption(option) }
                reachesHostLoopback = true
            } else if option.hasPrefix(Self.publish) {
                do throws(PortForwardError) {
                    try publish(PortForward(String(option.dropFirst(Self.publish.count))))
                } catch { throw .unusableForward(error) }
            } else {
                throw .unknownOption(option)
            }
        }
    }

    /// The options as a user would write them, without commas.
    package var options: [String] {
        (reachesHostLoopback ? [Self.hostLoopback] : []) + publishes.map { "\(Self.publish)\($0)" }
    }
}
