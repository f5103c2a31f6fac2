/// A port of a console device as the user writes it: a console, which `,name=NAME` may follow. A comma in a path is written
/// twice.
package struct ConsolePortSpecification: Equatable, Sendable {
    package var console: ConsoleSpecification
    /// What the guest finds the port by; without it, the port is one of the guest's consoles.
    package var name: String?

    package init(_ console: ConsoleSpecification, name: String? = nil) {
        self.console = console
        self.name = name
    }

    /// Characters of a name.
    package static let longestName = 63

    /// Whether a port can be called so: it is a file's name in the guest.
    package static func isName(_ text: String) -> Bool {
        (1...longestName).contains(text.utf8.count) && text != "." && text != ".."
            && text.utf8.allSatisfy { (0x21..<0x7f).contains($0) && $0 != UInt8(ascii: "/") }
    }
}

/// A specification that says no port.
package enum ConsolePortSpecificationError: Error, Equatable, CustomStringConvertible {
    case console(ConsoleSpecificationError)
    case unknownOption(String, of: String)
    case repeatedName(of: String)
    case unusableName(String, of: String)

    package var description: String {
        switch self {
        case .console(let error): "\(error)"
        case .unknownOption(let word, let text):
            "'\(text)' is not a console: there is no option '\(word)'; there is name= (a comma in a path is written twice)"
        case .repeatedName(let text): "'\(text)' is not a console: name= is there twice"
        case .unusableName(let name, let text):
            "'\(text)' is not a console: no port is called '\(name)'; a name has 1 to "
                + "\(ConsolePortSpecification.longestName) characters without spaces and '/'"
        }
    }
}

extension ConsolePortSpecification {
    /// - Throws: `ConsolePortSpecificationError`.
    package init(_ text: String) throws(ConsolePortSpecificationError) {
        var words = CommaWords.split(text)
        do throws(ConsoleSpecificationError) { console = try ConsoleSpecification(words.removeFirst()) } catch {
            throw .console(error)
        }
        for word in words {
            let key = "name="
            guard word.hasPrefix(key) else { throw .unknownOption(word, of: text) }
            guard name == nil else { throw .repeatedName(of: text) }
            let value = String(word.dropFirst(key.count))
            guard Self.isName(value) else { throw .unusableName(value, of: text) }
            name = value
        }
    }
}

extension ConsolePortSpecification: CustomStringConvertible {
    /// The specification as a user would write it.
    package var description: String {
        ([console.description] + (name.map { ["name=\($0)"] } ?? [])).map(CommaWords.escaped).joined(separator: ",")
    }
}
