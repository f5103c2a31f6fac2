/// A network in user mode as the user writes it, behind its name: `[host-loopback][,publish=FORWARD]...[,optional]`
package struct UserNetworkSpecification: Equatable, Sendable {
    /// Ports of the host's that lead to the guest, in the user's order. No two collide.
    package private(set) var publishes: [PortForward] = []
    /// Whether the guest reaches what listens on the host's 127.0.0.1 only, at 10.0.2.2.
    package var reachesHostLoopback = false
    /// Whether a machine starts without the device where this host has no helper for it.
    package var isOptional = false

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
            "a user network has no option '\(word)': "
                + "there are host-loopback, publish=[ADDRESS:]HOSTPORT:GUESTPORT[/udp], optional, mac=, bps=, iops=, "
                + "bps_max= and iops_max="
        case .repeatedOption(let word): "\(word) is there twice"
        case .unusableForward(let error): "\(error)"
        }
    }
}

extension UserNetworkSpecification {
    private static let hostLoopback = "host-loopback"
    private static let publish = "publish="
    private static let optional = "optional"

    /// Does what `option` says.
    /// - Throws: `UserNetworkSpecificationError`.
    package mutating func add(option: String) throws(UserNetworkSpecificationError) {
        func set(_ flag: inout Bool) throws(UserNetworkSpecificationError) {
            guard !flag else { throw .repeatedOption(option) }
            flag = true
        }
        if option == Self.hostLoopback {
            try set(&reachesHostLoopback)
        } else if option == Self.optional {
            try set(&isOptional)
        } else if option.hasPrefix(Self.publish) {
            do throws(PortForwardError) {
                try publish(PortForward(String(option.dropFirst(Self.publish.count))))
            } catch { throw .unusableForward(error) }
        } else {
            throw .unknownOption(option)
        }
    }

    package init(options: some Sequence<String>) throws(UserNetworkSpecificationError) {
        for option in options { try add(option: option) }
    }

    /// The options as a user would write them, without commas.
    package var options: [String] {
        (reachesHostLoopback ? [Self.hostLoopback] : []) + publishes.map { "\(Self.publish)\($0)" }
            + (isOptional ? [Self.optional] : [])
    }
}
