/// A socket device as the user writes it: `PATH[,cid=N]`. A comma in the path is written twice.
package struct SocketSpecification: Equatable, Sendable {
    /// Where clients of the host's find the guest. The guest's own connections to a port P go to the path with `_P` behind
    /// it.
    package var path: String
    /// The guest's number among those of the host's.
    package var cid = SocketSpecification.defaultCID

    /// The first that is free.
    package static let defaultCID: UInt32 = 3
    /// Those below mean others, and the last means any.
    package static let cids: ClosedRange<UInt32> = 3...(.max - 1)
    /// Bytes of the longest path: `_4294967295` still fits behind it.
    package static let longestPath = 107 - 11

    package init(path: String) { self.path = path }
}

/// A socket specification that says nothing that exists.
package struct SocketSpecificationError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case noPath
        case nulInPath
        case longPath
        case unknownOption(String)
        case repeatedOption(String)
        case unusableCID(String)
    }

    package let text: String
    package let reason: Reason

    package var description: String {
        let why =
            switch reason {
            case .noPath: "it begins with the path of a socket to be made"
            case .nulInPath: "a path cannot hold a NUL byte"
            case .longPath: "a socket's path has at most \(SocketSpecification.longestPath) bytes here"
            case .unknownOption(let word):
                "there is no option '\(word)'; there is cid= (a comma in a path is written twice)"
            case .repeatedOption(let word): "\(word) is there twice"
            case .unusableCID(let text):
                "'\(text)' is no cid of a guest's: use \(SocketSpecification.cids.lowerBound) to "
                    + "\(SocketSpecification.cids.upperBound)"
            }
        return "'\(text)' is no socket device: \(why)"
    }
}

extension SocketSpecification {
    /// - Throws: `SocketSpecificationError`.
    package init(_ text: String) throws(SocketSpecificationError) {
        func fail(_ reason: SocketSpecificationError.Reason) -> SocketSpecificationError {
            SocketSpecificationError(text: text, reason: reason)
        }
        var words = CommaWords.split(text)
        path = words.removeFirst()
        guard !path.isEmpty else { throw fail(.noPath) }
        guard !path.utf8.contains(0) else { throw fail(.nulInPath) }
        guard path.utf8.count <= Self.longestPath else { throw fail(.longPath) }
        for (index, word) in words.enumerated() {
            guard word.hasPrefix("cid=") else { throw fail(.unknownOption(word)) }
            guard index == 0 else { throw fail(.repeatedOption("cid=")) }
            let number = String(word.dropFirst(4))
            guard let cid = UInt32(number), Self.cids.contains(cid) else { throw fail(.unusableCID(number)) }
            self.cid = cid
        }
    }
}

extension SocketSpecification: CustomStringConvertible {
    /// The specification as a user would write it.
    package var description: String { "\(CommaWords.escaped(path)),cid=\(cid)" }
}
