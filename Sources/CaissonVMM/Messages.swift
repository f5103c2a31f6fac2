import HostIO
import SystemPackage

/// Lines to standard error.
enum Messages {
    /// Writes `text`, each line behind the program's name.
    static func say(_ text: String) {
        // A terminal in raw mode does not go back to its first column by itself.
        let end = Terminal.isRaw ? "\r\n" : "\n"
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let output = lines.map { "caisson: \($0)\(end)" }.joined()
        // Nobody is left to tell if standard error is gone.
        _ = try? FileDescriptor.standardError.writeAll(output.utf8)
    }
}
