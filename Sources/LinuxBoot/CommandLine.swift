/// A kernel's command line: sensible defaults, and the user's words, which win.
package struct CommandLine: Equatable, Sendable {
    /// Words of the form `key` or `key=value`.
    private let defaults: [String]
    /// Kept as they were typed.
    package private(set) var userWords = ""

    /// - Parameter defaults: each is one word. One that the user's words set as well is left out.
    package init(defaults: [String]) { self.defaults = defaults }

    /// For a Linux guest that talks over COM1: a panic ends the machine at once, and leaves a mark that tells
    /// it from a reboot (`BootLayout.warmResetFlag`); the reset goes through the keyboard controller.
    package static let linux = CommandLine(defaults: ["console=ttyS0", "panic=-1", "reboot=k,panic_warm"])

    /// More defaults, for instance what a host that emulates kernel code asks for.
    package func withDefaults(_ words: [String]) -> CommandLine {
        var result = CommandLine(defaults: defaults + words)
        result.userWords = userWords
        return result
    }

    /// The user's words after the defaults.
    package func extended(by words: String) -> CommandLine {
        var result = self
        result.userWords = userWords.isEmpty ? words : userWords + " " + words
        return result
    }

    /// The user's words and nothing else.
    package func replaced(by words: String) -> CommandLine {
        var result = CommandLine(defaults: [])
        result.userWords = words
        return result
    }

    /// What the guest gets.
    package var text: String {
        let taken = Set(Self.words(of: userWords).prefix { $0 != "--" }.map(Self.key))
        let kept = defaults.filter { !taken.contains(Self.key(of: $0)) }
        return (kept + (userWords.isEmpty ? [] : [userWords])).joined(separator: " ")
    }

    /// The words of a command line; blanks inside double quotes do not end one (Linux, lib/cmdline.c).
    static func words(of text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var isQuoted = false
        for character in text {
            if character == "\"" { isQuoted.toggle() }
            if character.isWhitespace && !isQuoted {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        if !word.isEmpty { words.append(word) }
        return words
    }

    /// What comes before `=`. Linux takes `-` and `_` in it for the same character, and ignores quotes around a word.
    static func key(of word: String) -> String {
        let name = word.drop { $0 == "\"" }.prefix { $0 != "=" && $0 != "\"" }
        return String(name.map { $0 == "-" ? "_" : $0 })
    }
}

extension CommandLine: CustomStringConvertible {
    package var description: String { text }
}
