/// Where a guest's console goes, as the user writes it.
package enum ConsoleSpecification: Equatable, Sendable {
    /// Standard input and output: `terminal` or `stdio`.
    case terminal
    /// Output to a file, replaced if it exists; no input: `file:PATH`.
    case file(path: String)
    /// A new pseudo-terminal, with a symbolic link to it at `link` if given: `pty` or `pty:PATH`.
    case pseudoterminal(link: String?)
    /// A Unix socket on which one client at a time is served: `unix:PATH`.
    case socket(path: String)
    /// No input, output thrown away: `none`.
    case none
}

/// A console specification that says nothing that exists.
package struct ConsoleSpecificationError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case unknownKind
        case missingPath(kind: String)
        case unexpectedPath(kind: String)
        /// The longest path that fits, in bytes.
        case pathTooLong(limit: Int)
        case nulInPath
    }

    package let text: String
    package let reason: Reason

    package var description: String {
        let kinds = "terminal, file:PATH, pty, pty:LINK, unix:PATH or none"
        return switch reason {
        case .unknownKind: "'\(text)' is not a console: use \(kinds)"
        case .missingPath(let kind): "'\(text)' is not a console: \(kind) needs a path, as in \(kind):PATH"
        case .unexpectedPath(let kind): "'\(text)' is not a console: \(kind) takes no path"
        case .pathTooLong(let limit):
            "'\(text)' is not a console: a socket's path has at most \(limit) bytes; use a shorter or a relative one"
        case .nulInPath: "a console's path cannot hold a NUL byte"
        }
    }
}

extension ConsoleSpecification {
    /// Bytes of the longest path of a Unix socket: `sun_path` without its terminating NUL.
    package static let longestSocketPath = 107

    /// - Throws: `ConsoleSpecificationError`.
    package init(_ text: String) throws(ConsoleSpecificationError) {
        func fail(_ reason: ConsoleSpecificationError.Reason) -> ConsoleSpecificationError {
            ConsoleSpecificationError(text: text, reason: reason)
        }
        guard !text.utf8.contains(0) else { throw fail(.nulInPath) }
        // A colon that a combining character follows is one as well.
        let colon = text.unicodeScalars.firstIndex(of: ":")
        let kind = String(text[..<(colon ?? text.endIndex)])
        let path = colon.map { String(text[text.unicodeScalars.index(after: $0)...]) }

        switch (kind, path) {
        case ("terminal", nil), ("stdio", nil): self = .terminal
        case ("none", nil): self = .none
        case ("pty", nil): self = .pseudoterminal(link: nil)
        case ("file", let path?) where !path.isEmpty: self = .file(path: path)
        case ("pty", let path?) where !path.isEmpty: self = .pseudoterminal(link: path)
        case ("unix", let path?) where !path.isEmpty:
            guard path.utf8.count <= Self.longestSocketPath else {
                throw fail(.pathTooLong(limit: Self.longestSocketPath))
            }
            self = .socket(path: path)
        case ("file", _), ("pty", _), ("unix", _): throw fail(.missingPath(kind: kind))
        case ("terminal", _), ("stdio", _), ("none", _): throw fail(.unexpectedPath(kind: kind))
        default: throw fail(.unknownKind)
        }
    }
}

extension ConsoleSpecification: CustomStringConvertible {
    /// The specification as a user would write it.
    package var description: String {
        switch self {
        case .terminal: "terminal"
        case .file(let path): "file:\(path)"
        case .pseudoterminal(nil): "pty"
        case .pseudoterminal(let link?): "pty:\(link)"
        case .socket(let path): "unix:\(path)"
        case .none: "none"
        }
    }
}
