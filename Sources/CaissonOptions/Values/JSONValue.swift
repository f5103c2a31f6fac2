/// JSON (RFC 8259) to write. Objects keep their keys in order.
package enum JSONValue: Equatable {
    case null
    case bool(Bool)
    case integer(UInt64)
    /// Finite.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([(key: String, value: JSONValue)])

    package init(_ value: Int) { self = .integer(UInt64(max(0, value))) }
    package init(_ text: String?) { self = text.map { .string($0) } ?? .null }

    package static func == (left: JSONValue, right: JSONValue) -> Bool { left.text == right.text }

    /// Indented by two blanks a level, without a newline in the end.
    package var text: String {
        var text = ""
        write(to: &text, indentation: "")
        return text
    }

    /// On one line, without a newline in the end.
    package var line: String {
        var text = ""
        write(to: &text, indentation: nil)
        return text
    }

    /// - Parameter indentation: of the line that this begins on; nil for a single line.
    private func write(to text: inout String, indentation: String?) {
        func list<Element>(
            _ elements: [Element], _ brackets: (String, String), _ write: (Element, inout String, String?) -> Void
        ) {
            guard !elements.isEmpty else {
                text += brackets.0 + brackets.1
                return
            }
            let inner = indentation.map { $0 + "  " }
            text += brackets.0
            for (index, element) in elements.enumerated() {
                if index > 0 { text += inner == nil ? ", " : "," }
                if let inner { text += "\n\(inner)" }
                write(element, &text, inner)
            }
            if let indentation { text += "\n\(indentation)" }
            text += brackets.1
        }
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += "\(value)"
        case .number(let value): text += "\(value)"
        case .string(let value): text += Self.quoted(value)
        case .array(let values):
            list(values, ("[", "]")) { value, text, inner in value.write(to: &text, indentation: inner) }
        case .object(let members):
            list(members, ("{", "}")) { member, text, inner in
                text += "\(Self.quoted(member.key)): "
                member.value.write(to: &text, indentation: inner)
            }
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
