import Glibc

/// A fresh folder that goes, with all that is in it, with its value.
final class Folder: Sendable {
    let path: String

    init() {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/caisson-test-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? ""
        precondition(!path.isEmpty)
    }

    deinit { _ = Child.run("/bin/rm", ["-rf", path]) }

    @discardableResult
    func folder(_ name: String) -> String {
        _ = Child.run("/bin/mkdir", ["-p", "\(path)/\(name)"])
        return "\(path)/\(name)"
    }

    @discardableResult
    func file(_ name: String, _ contents: String = "", mode: mode_t = 0o644) -> String {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode)
        precondition(descriptor >= 0, "\(file): errno \(errno)")
        _ = contents.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
        return file
    }
}
