/// A directory of the host's in a guest, as the user writes it: `HOST:GUEST[:ro|:rw]`. What comes before the last `:/` is the host's path,
/// which may have colons itself.
package struct ShareSpecification: Equatable, Sendable {
    /// The directory on the host; relative to where the command works.
    package var hostPath: String
    /// Where it is in the guest: absolute, without `.`, `..` and needless slashes.
    package var guestPath: String
    package var isReadOnly = false

    package init(hostPath: String, guestPath: String) {
        self.hostPath = hostPath
        self.guestPath = guestPath
    }
}

/// A share that says nothing that exists.
package struct ShareSpecificationError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case form
        case nul
        case unknownOption(String)
        case relativeGuestPath(String)
        case dotsInGuestPath(String)
        case guestRoot
        case longGuestPath
    }

    package let text: String
    package let reason: Reason

    package var description: String {
        let why =
            switch reason {
            case .form: "use HOST:GUEST, a directory here and an absolute path in the guest, as in ./src:/src"
            case .nul: "a path cannot hold a NUL byte"
            case .unknownOption(let word): "there is no option '\(word)'; there are ro and rw"
            case .relativeGuestPath(let path): "the guest's path has to be absolute, as in /\(path)"
            case .dotsInGuestPath(let path): "the guest's path \(path) has . or .. in it: name the directory itself"
            case .guestRoot: "the guest's root directory cannot be a share; use one in it, as in /mnt"
            case .longGuestPath: "a guest's path has at most \(ShareSpecification.longestGuestPath) bytes here"
            }
        return "'\(text)' is no share: \(why)"
    }
}

extension ShareSpecification {
    /// Bytes of the longest path in the guest: several fit on a kernel's command line.
    package static let longestGuestPath = 255

    /// - Throws: `ShareSpecificationError`.
    package init(_ text: String) throws(ShareSpecificationError) {
        func fail(_ reason: ShareSpecificationError.Reason) -> ShareSpecificationError {
            ShareSpecificationError(text: text, reason: reason)
        }
        var bytes = Array(text.utf8)[...]
        guard !bytes.contains(0) else { throw fail(.nul) }
        func string(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
        let colon = UInt8(ascii: ":")
        let slash = UInt8(ascii: "/")

        // What is behind the last colon is an option unless it begins a path.
        if let last = bytes.lastIndex(of: colon), bytes[..<last].contains(colon), bytes[(last + 1)...].first != slash {
            let option = string(bytes[(last + 1)...])
            let rest = bytes[..<last]
            switch option {
            case "ro": isReadOnly = true
            case "rw": break
            default: throw fail(.unknownOption(option))
            }
            bytes = rest
        }
        let place = bytes.indices.last { bytes[$0] == colon && $0 + 1 < bytes.endIndex && bytes[$0 + 1] == slash }
        guard let place else {
            guard let last = bytes.lastIndex(of: colon), last + 1 < bytes.endIndex, last > bytes.startIndex else {
                throw fail(.form)
            }
            let path = string(bytes[(last + 1)...])
            throw fail(["ro", "rw"].contains(path) ? .form : .relativeGuestPath(path))
        }
        guard place > bytes.startIndex else { throw fail(.form) }
        hostPath = string(bytes[..<place])
        let names = bytes[(place + 1)...].split(separator: slash).map(string)
        guard !names.contains("."), !names.contains("..") else {
            throw fail(.dotsInGuestPath(string(bytes[(place + 1)...])))
        }
        guard !names.isEmpty else { throw fail(.guestRoot) }
        guestPath = names.map { "/\($0)" }.joined()
        guard guestPath.utf8.count <= Self.longestGuestPath else { throw fail(.longGuestPath) }
    }
}

extension ShareSpecification: CustomStringConvertible {
    /// The specification as a user would write it.
    package var description: String { "\(hostPath):\(guestPath)\(isReadOnly ? ":ro" : ":rw")" }
}
