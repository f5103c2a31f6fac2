/// A port of the host's that leads to one of the guest's: `[HOSTADDRESS:]HOSTPORT:GUESTPORT[/tcp|/udp]`.
package struct PortForward: Hashable, Sendable {
    package enum TransportProtocol: String, Sendable { case tcp, udp }

    package var transport = TransportProtocol.tcp
    /// Where the host listens; all addresses are 0.0.0.0.
    package var hostAddress = IPv4Address.any
    package var hostPort: UInt16
    package var guestPort: UInt16

    package init(hostPort: UInt16, guestPort: UInt16) {
        self.hostPort = hostPort
        self.guestPort = guestPort
    }

    /// Whether the host cannot listen for both.
    package func collides(with other: PortForward) -> Bool {
        transport == other.transport && hostPort == other.hostPort
            && (hostAddress == other.hostAddress || hostAddress == .any || other.hostAddress == .any)
    }
}

package struct IPv4Address: Hashable, Sendable {
    package var bytes: [UInt8]

    package static let any = Self(bytes: [0, 0, 0, 0])

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// Four decimal numbers with dots between them.
    package init?(_ text: String) {
        let words = text.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = words.compactMap { word in Self.isPlain(word) ? UInt8(word) : nil }
        guard numbers.count == 4, words.count == 4 else { return nil }
        bytes = numbers
    }

    /// Some programs read a number with a zero in front as octal.
    private static func isPlain(_ word: Substring) -> Bool {
        word.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            && (word.utf8.count == 1 || word.utf8.first != UInt8(ascii: "0"))
    }
}

extension IPv4Address: CustomStringConvertible {
    package var description: String { bytes.map(String.init).joined(separator: ".") }
}

/// A port to be published that says nothing that exists.
package struct PortForwardError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        /// Not two ports, or three words.
        case form
        case unusablePort(String)
        case unusableAddress(String)
        case unknownProtocol(String)
        /// Another one listens there.
        case repeated
    }

    package let text: String
    package let reason: Reason

    package var description: String {
        let why =
            switch reason {
            case .form: "use HOSTPORT:GUESTPORT, as in 8080:80, 127.0.0.1:8080:80 or 5353:53/udp"
            case .unusablePort(let port): "'\(port)' is no port: use 1 to 65535"
            case .unusableAddress(let address):
                "'\(address)' is no IPv4 address of this host: use one as in 127.0.0.1, or none for all addresses"
            case .unknownProtocol(let name): "there is no protocol '\(name)': use tcp or udp"
            case .repeated: "that port of the host's is published already"
            }
        return "'\(text)' publishes no port: \(why)"
    }
}

extension PortForward {
    /// - Throws: `PortForwardError`.
    package init(_ text: String) throws(PortForwardError) {
        func fail(_ reason: PortForwardError.Reason) -> PortForwardError {
            PortForwardError(text: text, reason: reason)
        }
        func port(_ word: Substring) throws(PortForwardError) -> UInt16 {
            guard let number = UInt16(word), number > 0, word.first != "+" else {
                throw fail(.unusablePort(String(word)))
            }
            return number
        }
        let halves = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let words = halves[0].split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(words.count) else { throw fail(.form) }
        self.init(hostPort: try port(words[words.count - 2]), guestPort: try port(words[words.count - 1]))
        if words.count == 3 {
            guard let address = IPv4Address(String(words[0])) else { throw fail(.unusableAddress(String(words[0]))) }
            hostAddress = address
        }
        if halves.count == 2 {
            guard let transport = TransportProtocol(rawValue: String(halves[1])) else {
                throw fail(.unknownProtocol(String(halves[1])))
            }
            self.transport = transport
        }
    }
}

extension PortForward: CustomStringConvertible {
    /// As a user would write it.
    package var description: String {
        (hostAddress == .any ? "" : "\(hostAddress):") + "\(hostPort):\(guestPort)" + (transport == .udp ? "/udp" : "")
    }
}
