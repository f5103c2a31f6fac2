import HostIO

/// Words that tell a guest's shell about the terminal. Linux hands them to its first process as environment.
enum TerminalWords {
    /// None where standard output is no terminal.
    static var current: [String] {
        guard let size = Terminal.size(of: 1) else { return [] }
        return words(type: HostProcess.environment("TERM"), size: size)
    }

    static func words(type: String?, size: (columns: Int, rows: Int)) -> [String] {
        var words: [String] = []
        if let type, isTerminalType(type) { words.append("TERM=\(type)") }
        // A pseudo-terminal that nobody gave a size has none.
        if size.columns > 0, size.rows > 0 { words += ["LINES=\(size.rows)", "COLUMNS=\(size.columns)"] }
        return words
    }

    /// The word goes to a kernel: nothing in it may end it.
    private static func isTerminalType(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 48
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "._+-".utf8.contains(byte)
                }
            }
    }
}
