import ArgumentParser
import CaissonOptions
import Glibc
import ImageStore
import SystemPackage

/// How a long command tells how far it is.
struct ProgressOptions: ParsableArguments {
    @Option(help: ArgumentHelp("auto (a line on a terminal), plain (lines) or none.", valueName: "how"))
    var progress = "auto"

    func makeLine() throws(CommandError) -> ProgressLine {
        switch progress {
        case "auto": ProgressLine(onTerminal: ())
        case "plain": ProgressLine(.lines)
        case "none": ProgressLine(.none)
        default: throw .usage("--progress '\(progress)' is unknown: use auto, plain or none")
        }
    }
}

/// Tells on standard error how far an import is, once that takes more than a second.
final class ProgressLine {
    enum Style {
        case none
        /// One that changes.
        case line
        /// One every few seconds.
        case lines
    }

    private let style: Style
    private let start = ContinuousClock.now
    private var last: ContinuousClock.Instant?
    private var isShown = false

    init(_ style: Style) { self.style = style }

    /// A line where standard error is a terminal.
    convenience init(onTerminal: Void) { self.init(isatty(STDERR_FILENO) == 1 ? .line : .none) }

    func update(_ phase: ImportPhase, _ bytes: UInt64) {
        guard style != .none else { return }
        let now = ContinuousClock.now
        guard now - start >= .seconds(1), last.map({ now - $0 >= interval }) ?? true else { return }
        last = now
        let verb =
            switch phase {
            case .installing: "installing packages"
            case .reading: "reading"
            case .building: "writing the file system"
            case .checking: "computing the digest"
            }
        let text = "[\((now - start).components.seconds) s] \(verb): \(roundedSize(bytes))"
        write(style == .line ? "\r\u{1b}[K\(text)" : "\(text)\n")
        isShown = true
    }

    /// Takes the line away.
    func end() {
        if style == .line, isShown { write("\r\u{1b}[K") }
        isShown = false
    }

    private var interval: Duration { style == .line ? .milliseconds(100) : .seconds(5) }

    /// Nobody is left to tell where the reader is gone.
    private func write(_ text: String) { _ = try? FileDescriptor.standardError.writeAll(text.utf8) }
}
