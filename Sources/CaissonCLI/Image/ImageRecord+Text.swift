import CaissonOptions
import HostIO
import ImageStore

/// Bytes for people: in the largest unit that leaves at least one, with a digit behind the point below ten.
func roundedSize(_ bytes: UInt64) -> String {
    for (unit, shift) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)] as [(String, UInt64)] where bytes >> shift > 0 {
        let tenths = (bytes >> (shift - 10)) * 10 / 1024
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)\(unit)" : "\(tenths / 10)\(unit)"
    }
    return "\(bytes)"
}

extension ImageRecord {
    static let headings = ["NAME", "DIGEST", "FORMAT", "SIZE", "CREATED"]

    /// Of a list.
    var row: [String] {
        [name, String(digest.hexadecimal.prefix(12)), layoutText, roundedSize(size), createdText]
    }

    private var layoutText: String { fileSystem.rawValue + (partition == 0 ? "" : " (partition \(partition))") }

    var jsonValue: JSONValue {
        .object([
            ("name", .string(name)),
            ("digest", .string(digest.description)),
            ("fileSystem", .string(fileSystem.rawValue)),
            ("partition", JSONValue(partition)),
            ("size", .integer(size)),
            ("created", .string(createdText)),
            ("source", .string(source)),
            ("configuration", configuration.jsonValue),
        ])
    }
}

extension ImageConfiguration {
    var jsonValue: JSONValue {
        .object([
            ("entrypoint", .array(entrypoint.map { .string($0) })),
            ("command", .array(command.map { .string($0) })),
            ("environment", .array(environment.map { .string($0) })),
            ("user", .string(user)),
            ("workingDirectory", .string(workingDirectory)),
        ])
    }
}

extension StoredImage {
    /// For people, a line for each thing there is to say.
    var rows: [[String]] {
        var rows = [
            ["name", name], ["digest", "\(digest)"], ["file", rootPath],
            ["file system", fileSystem.rawValue],
        ]
        if partition != 0 { rows.append(["partition", "\(partition)"]) }
        rows += [["size", roundedSize(size)], ["created", record.createdText], ["source", record.source]]
        func list(_ words: [String]) -> String { JSONValue.array(words.map { .string($0) }).line }
        if !configuration.entrypoint.isEmpty { rows.append(["entry point", list(configuration.entrypoint)]) }
        if !configuration.command.isEmpty { rows.append(["command", list(configuration.command)]) }
        if !configuration.environment.isEmpty { rows.append(["environment", list(configuration.environment)]) }
        if !configuration.user.isEmpty { rows.append(["user", configuration.user]) }
        if !configuration.workingDirectory.isEmpty { rows.append(["directory", configuration.workingDirectory]) }
        return rows.map { $0.map(\.printable) }
    }

    var jsonValue: JSONValue {
        .object([("schema", .integer(1)), ("image", record.jsonValue), ("file", .string(rootPath))])
    }
}
