/// Files as the user writes them: `SOURCE:DESTINATION`, of which one is the guest's and an absolute path.
package struct CopySpecification: Equatable {
    package var source: String
    package var destination: String

    /// `--copy-in HOST:GUEST`. The host's path may have colons.
    /// - Throws: `usage`.
    package init(in text: String) throws(CommandError) {
        let index = text.utf8.lastIndex(of: UInt8(ascii: ":"))
        source = index.map { String(text[..<$0]) } ?? ""
        destination = index.map { String(text[text.utf8.index(after: $0)...]) } ?? ""
        guard Self.isPath(source), Self.isPath(destination), destination.hasPrefix("/") else {
            throw .usage(
                "--copy-in '\(text)' tells of no files: use HOST:GUEST, of which GUEST is an absolute path, as in src:/work"
            )
        }
    }

    /// `--copy-out GUEST:HOST`. The host's path may have colons.
    /// - Throws: `usage`.
    package init(out text: String) throws(CommandError) {
        let index = text.utf8.firstIndex(of: UInt8(ascii: ":"))
        source = index.map { String(text[..<$0]) } ?? ""
        destination = index.map { String(text[text.utf8.index(after: $0)...]) } ?? ""
        guard Self.isPath(source), Self.isPath(destination), source.hasPrefix("/") else {
            throw .usage(
                "--copy-out '\(text)' tells of no files: use GUEST:HOST, of which GUEST is an absolute path, as in /work/out:out"
            )
        }
    }

    private static func isPath(_ text: String) -> Bool { !text.isEmpty && !text.utf8.contains(0) }

    /// What the files are called where they are.
    var name: String {
        let parts = source.split(separator: "/")
        return parts.last.map(String.init) ?? "/"
    }
}
