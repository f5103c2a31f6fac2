import CaissonOptions

/// Why a text is no JSON.
struct JSONProblem: Error, Equatable {
    var message: String
    /// Counted from 1.
    var line: Int
}

extension JSONValue {
    /// Lists and objects within each other, at most.
    static let deepest = 64

    /// Reads JSON (RFC 8259), strictly: one value, no key twice in an object. Whole numbers of 64 bits become integers, all others numbers.
    init(reading text: String) throws(JSONProblem) {
        var reader = JSONReader(bytes: Array(text.utf8))
        self = try reader.document()
    }
}

private struct JSONReader {
    let bytes: [UInt8]
    var place = 0

    mutating func document() throws(JSONProblem) -> JSONValue {
        let value = try value(depth: 0)
        skipBlanks()
        guard place == bytes.count else { throw problem("there is more behind the value") }
        return value
    }

    private func problem(_ message: String) -> JSONProblem {
        JSONProblem(message: message, line: bytes[..<min(place, bytes.count)].count { $0 == UInt8(ascii: "\n") } + 1)
    }

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { place += 1 }
    }

    /// Takes a character of the grammar, blanks around it included.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard next == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONProblem) -> JSONValue {
        skipBlanks()
        if next == UInt8(ascii: "{") || next == UInt8(ascii: "["), depth == JSONValue.deepest {
            throw problem("too many lists and objects within each other")
        }
        switch next {
        case UInt8(ascii: "{"): return .object(try members(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try elements(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw problem("the text ends where a value should be")
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(JSONProblem) -> JSONValue {
        guard bytes[place...].starts(with: text.utf8) else { throw problem("there is no value here") }
        place += text.utf8.count
        return value
    }

    private mutating func elements(depth: Int) throws(JSONProblem) -> [JSONValue] {
        place += 1
        var elements: [JSONValue] = []
        if take("]") { return elements }
        repeat { elements.append(try value(depth: depth)) } while take(",")
        guard take("]") else { throw problem("a list does not end here, nor go on by a comma") }
        return elements
    }

    private mutating func members(depth: Int) throws(JSONProblem) -> [(key: String, value: JSONValue)] {
        place += 1
        var members: [(key: String, value: JSONValue)] = []
        var keys: Set<String> = []
        if take("}") { return members }
        repeat {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw problem("a key in quotes is missing") }
            let key = try string()
            guard keys.insert(key).inserted else { throw problem("the key \"\(key)\" is there twice") }
            guard take(":") else { throw problem("a colon is missing behind a key") }
            members.append((key, try value(depth: depth)))
        } while take(",")
        guard take("}") else { throw problem("an object does not end here, nor go on by a comma") }
        return members
    }

    private mutating func string() throws(JSONProblem) -> String {
        place += 1
        var text: [UInt8] = []
        while let byte = next {
            place += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw problem("a string is no UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): text += Array(String(Character(try escape())).utf8)
            case 0..<0x20: throw problem("a control character in a string")
            default: text.append(byte)
            }
        }
        throw problem("a string has no end")
    }

    private mutating func escape() throws(JSONProblem) -> Unicode.Scalar {
        let byte = next
        place += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let unit = try hexadecimal()
            guard (0xd800..<0xdc00).contains(unit) else {
                guard let scalar = Unicode.Scalar(unit) else { throw problem("half of a surrogate pair") }
                return scalar
            }
            guard bytes[min(place, bytes.count)...].starts(with: "\\u".utf8) else {
                throw problem("half of a surrogate pair")
            }
            place += 2
            let low = try hexadecimal()
            guard (0xdc00..<0xe000).contains(low),
                let scalar = Unicode.Scalar(0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00))
            else { throw problem("half of a surrogate pair") }
            return scalar
        default: throw problem("an unknown escape in a string")
        }
    }

    private mutating func hexadecimal() throws(JSONProblem) -> UInt32 {
        let digits = bytes[min(place, bytes.count)..<min(place + 4, bytes.count)]
        let isHexadecimal = digits.allSatisfy { byte in Unicode.Scalar(byte).properties.isASCIIHexDigit }
        guard digits.count == 4, isHexadecimal, let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else {
            throw problem("\\u wants four hexadecimal digits")
        }
        place += 4
        return value
    }

    private mutating func number() throws(JSONProblem) -> JSONValue {
        let start = place
        let isNegative = next == UInt8(ascii: "-")
        if isNegative { place += 1 }
        let whole = digits()
        guard whole == 1 || whole > 1 && bytes[place - whole] != UInt8(ascii: "0") else {
            throw problem("there is no value here")
        }
        var isWhole = true
        if next == UInt8(ascii: ".") {
            isWhole = false
            place += 1
            guard digits() > 0 else { throw problem("a number without digits behind the point") }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isWhole = false
            place += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { place += 1 }
            guard digits() > 0 else { throw problem("a number without digits of its exponent") }
        }
        let text = String(decoding: bytes[start..<place], as: UTF8.self)
        if isWhole, !isNegative, let integer = UInt64(text) { return .integer(integer) }
        guard let value = Double(text), value.isFinite else { throw problem("a number that is too large") }
        return .number(value)
    }

    private mutating func digits() -> Int {
        let start = place
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
        return place - start
    }
}
