/// A SHA-256, written as `sha256:` and 64 hexadecimal digits.
package struct ImageDigest: Hashable, Sendable {
    /// The digits, in lower case.
    package let hexadecimal: String

    static let digitCount = 64

    /// - Parameter bytes: the 32 of a SHA-256.
    init(bytes: [UInt8]) {
        precondition(bytes.count == Self.digitCount / 2)
        let digits = Array("0123456789abcdef".utf8)
        hexadecimal = String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Nil for what is no SHA-256.
    package init?(_ text: String) {
        let prefix = "sha256:"
        guard text.hasPrefix(prefix) else { return nil }
        let digits = text.utf8.dropFirst(prefix.utf8.count)
        guard digits.count == Self.digitCount,
            digits.allSatisfy({
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            })
        else { return nil }
        hexadecimal = String(decoding: digits, as: UTF8.self)
    }
}

extension ImageDigest: CustomStringConvertible {
    package var description: String { "sha256:\(hexadecimal)" }
}

extension ImageDigest: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let digest = ImageDigest(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no SHA-256")
        }
        self = digest
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
