import Glibc

/// A fresh folder that goes, with all that is in it, with its value.
package final class Folder: Sendable {
    package let path: String

    package init() {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/caisson-test-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? ""
        precondition(!path.isEmpty)
    }

    deinit { _ = Child.run("/bin/rm", ["-rf", path]) }

    /// The names of what is in it, sorted.
    package var files: [String] { Child.run("/bin/ls", ["-A", path]).output.split(separator: "\n").map(String.init) }

    @discardableResult
    package func folder(_ name: String) -> String {
        _ = Child.run("/bin/mkdir", ["-p", "\(path)/\(name)"])
        return "\(path)/\(name)"
    }

    @discardableResult
    package func file(_ name: String, _ contents: String = "", mode: mode_t = 0o644) -> String {
        file(name, Array(contents.utf8), mode: mode)
    }

    @discardableResult
    package func file(_ name: String, _ contents: [UInt8], mode: mode_t = 0o644) -> String {
        let file = "\(path)/\(name)"
        Descriptor(open(file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode)).send(contents)
        return file
    }
}
