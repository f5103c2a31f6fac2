extension String {
    /// What others wrote, to be shown on a terminal: control characters as `\xNN`, and `?` for what was no UTF-8.
    package var printable: String {
        var text = ""
        for character in unicodeScalars {
            switch character.value {
            case 0..<0x20, 0x7f..<0xa0:
                let digits = String(character.value, radix: 16)
                text += "\\x" + (digits.count == 1 ? "0" : "") + digits
            case 0xfffd: text += "?"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }
}
