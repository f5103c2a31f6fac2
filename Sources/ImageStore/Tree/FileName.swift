/// A name in a directory: any bytes but a slash and NUL.
struct FileName: Hashable, Sendable {
    let bytes: [UInt8]

    /// Linux's NAME_MAX.
    static let longest = 255

    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    init(_ text: String) { self.init(text.utf8) }
}

extension FileName: Comparable {
    static func < (left: FileName, right: FileName) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}

extension FileName: CustomStringConvertible {
    /// To be shown: control characters as `\xNN`, and `?` for what is no UTF-8.
    var description: String {
        var text = ""
        for character in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch character.value {
            case 0..<0x20, 0x7f, 0xfffd:
                let digits = String(character.value, radix: 16)
                text += character.value == 0xfffd ? "?" : "\\x" + (digits.count == 1 ? "0" : "") + digits
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }
}
