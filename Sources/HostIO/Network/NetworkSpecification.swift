/// A network device as the user writes it: `user[,host-loopback][,publish=FORWARD]...[,optional][,mac=ADDRESS]`,
/// `tap[=NAME][,mac=ADDRESS][,mtu=BYTES]` or `link=PATH[,…]`, each with the options of a `RateSpecification`. A comma in a
/// path is written twice.
package struct NetworkSpecification: Equatable, Sendable {
    package enum Attachment: Equatable, Sendable {
        /// The host's own network, through a process in between.
        case user(UserNetworkSpecification)
        /// A tap interface of the host's; a new one without a name.
        case tap(name: String?)
        /// Another machine that is given the same path.
        case link(path: String)
    }

    package var attachment: Attachment
    /// Without it, a random one.
    package var address: EthernetAddress?
    /// Without it, the tap interface's, or 1500.
    package var mtu: Int?
    /// Of each direction by itself.
    package var rate = RateSpecification()

    package init(_ attachment: Attachment) { self.attachment = attachment }

    /// What an Ethernet device's MTU can be.
    package static let mtus = 68...65535
    /// The longest name of an interface, in bytes.
    static let longestName = 15

    /// Whether an interface can be called so.
    package static func isName(_ text: String) -> Bool {
        (1...longestName).contains(text.utf8.count) && text != "." && text != ".."
            && text.utf8.allSatisfy { (0x21..<0x7f).contains($0) && !"/:%".utf8.contains($0) }
    }
}

/// A network specification that says nothing that exists.
package struct NetworkSpecificationError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case unknownKind(String)
        case unusableName(String)
        case noPath
        case nulInPath
        case unknownOption(String)
        case repeatedOption(String)
        case unusableAddress(String)
        case unusableMTU(String)
        case unusableUserOption(UserNetworkSpecificationError)
        case unusableRate(RateSpecificationError)
    }

    package let text: String
    package let reason: Reason

    package var description: String {
        let why =
            switch reason {
            case .unknownKind(let word):
                "there is no network '\(word)'; there are user, tap, tap=NAME, link=PATH and none"
            case .unusableName(let name):
                "no interface is called '\(name)': a name has 1 to \(NetworkSpecification.longestName) characters "
                    + "without spaces, '/', ':' and '%'"
            case .noPath: "link= needs the path of a socket"
            case .nulInPath: "a path cannot hold a NUL byte"
            case .unknownOption(let word):
                "there is no option '\(word)'; there are mac=, mtu=, bps=, iops=, bps_max=, iops_max= "
                    + "(a comma in a path is written twice)"
            case .repeatedOption(let word): "\(word) is there twice"
            case .unusableAddress(let address):
                "'\(address)' is no device's address: use six bytes as in 52:54:00:12:34:56, the first even"
            case .unusableUserOption(let error): "\(error)"
            case .unusableRate(let error): "\(error)"
            case .unusableMTU(let mtu):
                "'\(mtu)' is no MTU: use \(NetworkSpecification.mtus.lowerBound) to \(NetworkSpecification.mtus.upperBound)"
            }
        return "'\(text)' is no network: \(why)"
    }
}

extension NetworkSpecification {
    /// - Parameter size: reads a number of bytes as the user writes it.
    /// - Throws: `NetworkSpecificationError`.
    package init(_ text: String, size: (String) -> UInt64?) throws(NetworkSpecificationError) {
        func fail(_ reason: NetworkSpecificationError.Reason) -> NetworkSpecificationError {
            NetworkSpecificationError(text: text, reason: reason)
        }
        func parts(_ word: String) -> (name: String, value: String) {
            let name = word.firstIndex(of: "=").map { String(word[...$0]) } ?? word
            return (name, String(word.dropFirst(name.count)))
        }
        var words = CommaWords.split(text)
        let first = words.removeFirst()
        switch parts(first) {
        case ("user", _): self.init(.user(UserNetworkSpecification()))
        case ("tap", _): self.init(.tap(name: nil))
        case ("tap=", let name):
            guard Self.isName(name) else { throw fail(.unusableName(name)) }
            self.init(.tap(name: name))
        case ("link=", let path):
            guard !path.isEmpty else { throw fail(.noPath) }
            guard !path.utf8.contains(0) else { throw fail(.nulInPath) }
            self.init(.link(path: path))
        default: throw fail(.unknownKind(first))
        }
        var known: Set<String> = []
        for word in words {
            let (name, value) = parts(word)
            let isRate = RateSpecification.names.contains(name)
            if case .user(var network) = attachment, name != "mac=", !isRate {
                do throws(UserNetworkSpecificationError) { try network.add(option: word) } catch {
                    throw fail(.unusableUserOption(error))
                }
                attachment = .user(network)
                continue
            }
            guard known.insert(name).inserted else { throw fail(.repeatedOption(name)) }
            switch name {
            case "mac=":
                guard let address = EthernetAddress(value), address.isUsable else {
                    throw fail(.unusableAddress(value))
                }
                self.address = address
            case "mtu=":
                guard let mtu = Int(value), Self.mtus.contains(mtu) else { throw fail(.unusableMTU(value)) }
                self.mtu = mtu
            case _ where isRate:
                do throws(RateSpecificationError) { try rate.set(name, value, size: size) } catch {
                    throw fail(.unusableRate(error))
                }
            default: throw fail(.unknownOption(word))
            }
        }
        do throws(RateSpecificationError) { try rate.validate() } catch { throw fail(.unusableRate(error)) }
    }
}

extension NetworkSpecification: CustomStringConvertible {
    /// The specification as a user would write it; sizes in bytes.
    package var description: String {
        var words =
            switch attachment {
            case .user(let network): ["user"] + network.options
            case .tap(nil): ["tap"]
            case .tap(let name?): ["tap=\(CommaWords.escaped(name))"]
            case .link(let path): ["link=\(CommaWords.escaped(path))"]
            }
        if let address { words.append("mac=\(address)") }
        if let mtu { words.append("mtu=\(mtu)") }
        words += rate.words
        return words.joined(separator: ",")
    }
}
