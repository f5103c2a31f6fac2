import CaissonOptions

/// An object of a document, and where in there it is.
struct JSONObject {
    let members: [(key: String, value: JSONValue)]
    let path: String

    /// - Parameter path: for errors, as `series[3]`.
    init(_ value: JSONValue, at path: String) throws(JSONMismatch) {
        guard case .object(let members) = value else { throw JSONMismatch(path: path, expected: "an object") }
        self.members = members
        self.path = path
    }

    private func value(_ key: String) -> JSONValue? { members.first { $0.key == key }?.value }

    private func mismatch(_ key: String, _ expected: String) -> JSONMismatch {
        JSONMismatch(path: path.isEmpty ? key : "\(path).\(key)", expected: expected)
    }

    func string(_ key: String) throws(JSONMismatch) -> String {
        guard case .string(let text) = value(key) else { throw mismatch(key, "a string") }
        return text
    }

    /// Nil for null and where there is no such key.
    func optionalString(_ key: String) throws(JSONMismatch) -> String? {
        switch value(key) {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw mismatch(key, "a string or null")
        }
    }

    func bool(_ key: String) throws(JSONMismatch) -> Bool {
        guard case .bool(let value) = value(key) else { throw mismatch(key, "true or false") }
        return value
    }

    func optionalBool(_ key: String) throws(JSONMismatch) -> Bool? {
        if case .null = value(key) { return nil }
        return try bool(key)
    }

    func integer(_ key: String, in range: ClosedRange<UInt64>) throws(JSONMismatch) -> UInt64 {
        guard case .integer(let number) = value(key), range.contains(number) else {
            throw mismatch(key, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func array(_ key: String) throws(JSONMismatch) -> [JSONValue] {
        guard case .array(let values) = value(key) else { throw mismatch(key, "a list") }
        return values
    }

    func strings(_ key: String) throws(JSONMismatch) -> [String] {
        var texts: [String] = []
        for value in try array(key) {
            guard case .string(let text) = value else { throw mismatch(key, "a list of strings") }
            texts.append(text)
        }
        return texts
    }

    func numbers(_ key: String) throws(JSONMismatch) -> [Double] {
        var numbers: [Double] = []
        for value in try array(key) {
            switch value {
            case .integer(let number): numbers.append(Double(number))
            case .number(let number): numbers.append(number)
            default: throw mismatch(key, "a list of numbers")
            }
        }
        return numbers
    }

    /// The objects of a list, each made into something.
    func objects<Element>(
        _ key: String, _ make: (JSONObject) throws(JSONMismatch) -> Element
    ) throws(JSONMismatch) -> [Element] {
        let path = path.isEmpty ? key : "\(path).\(key)"
        var elements: [Element] = []
        for (index, value) in try array(key).enumerated() {
            elements.append(try make(try JSONObject(value, at: "\(path)[\(index)]")))
        }
        return elements
    }
}

/// A document that is JSON, and not what it should be.
struct JSONMismatch: Error, Equatable {
    var path: String
    var expected: String
}
