// A word has two texts that may hold any byte but NUL: the first one's length, in bytes, tells where it ends.

extension CopiedFiles: CustomStringConvertible {
    package var description: String { "\(disk):\(TextPair(first: name, second: destination))" }

    init?(description: String) {
        guard let (number, rest) = description.split(at: ":"), let disk = Int(number), let pair = TextPair(rest),
            pair.second.utf8.first == UInt8(ascii: "/")
        else { return nil }
        self.init(disk: disk, name: pair.first, destination: pair.second)
    }
}

extension MachineDescription.CopyOut: CustomStringConvertible {
    package var description: String { "\(TextPair(first: source, second: destination))" }

    init?(description: String) {
        guard let pair = TextPair(description), pair.first.utf8.first == UInt8(ascii: "/") else { return nil }
        self.init(source: pair.first, destination: pair.second)
    }
}

private struct TextPair: CustomStringConvertible {
    var first: String
    var second: String

    init(first: String, second: String) {
        self.first = first
        self.second = second
    }

    init?(_ text: String) {
        guard let (number, rest) = text.split(at: ":"), let count = Int(number), count > 0, rest.utf8.count > count,
            let first = String(validating: rest.utf8.prefix(count), as: UTF8.self),
            let second = String(validating: rest.utf8.dropFirst(count), as: UTF8.self)
        else { return nil }
        self.init(first: first, second: second)
    }

    var description: String { "\(first.utf8.count):\(first)\(second)" }
}
