/// HTML and SVG as text.
enum Markup {
    /// Text as it may stand between tags and in quoted attributes: nothing in it can end them. Control characters, which HTML does not
    /// allow, are shown as U+FFFD.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            case _ where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value): result += "\u{fffd}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// - Parameter content: markup.
    static func element(_ name: String, _ attributes: [(String, String)] = [], _ content: String) -> String {
        let words = attributes.map { " \($0.0)=\"\(escaped($0.1))\"" }.joined()
        return "<\(name)\(words)>\(content)</\(name)>"
    }

    static func text(_ name: String, _ attributes: [(String, String)] = [], _ text: String) -> String {
        element(name, attributes, escaped(text))
    }
}
