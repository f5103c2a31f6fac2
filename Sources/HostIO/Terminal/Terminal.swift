import CLinux
import HostResources
import SystemPackage

/// Keeps a terminal in raw mode: what is typed arrives byte by byte, signals' keys included, and output goes out as it is.
///
/// The mode ends with this value, and on every other way out that a process sees: its exit, SIGINT, SIGTERM, SIGHUP and
/// SIGQUIT unless handled otherwise, a crash, and for the time of a stop (SIGTSTP). After SIGKILL, which no process
/// sees, or a stack overflow, which leaves no stack for a handler, `stty sane` or `reset` repairs the terminal.
///
/// Output processing is off too, so that the guest's own CR LF and cursor movements are what the terminal gets: a line of
/// Caisson's own has to end in CR LF meanwhile. One terminal at a time.
package struct Terminal: ~Copyable {
    private let descriptor: OwnedFileDescriptor

    /// Puts the terminal open at `descriptor` into raw mode.
    /// - Throws: `HostError`; `EBUSY` while another terminal is raw.
    package init(raw descriptor: Int32) throws(HostError) {
        let copy = try OwnedFileDescriptor(duplicating: descriptor)
        let result = caisson_terminal_enter_raw(copy.rawValue)
        guard result == 0 else {
            throw HostError("set up", "the terminal", Errno(rawValue: -result))
        }
        self.descriptor = copy
    }

    deinit { _ = caisson_terminal_leave_raw() }

    /// Whether a terminal of this process is in raw mode now.
    package static var isRaw: Bool { caisson_terminal_is_raw() == 1 }

    /// Columns and rows of a terminal's window; `nil` for what is no terminal.
    package static func size(of descriptor: Int32) -> (columns: Int, rows: Int)? {
        var columns: UInt16 = 0
        var rows: UInt16 = 0
        // SAFETY: both are written during the call.
        guard unsafe caisson_terminal_size(descriptor, &columns, &rows) == 0 else { return nil }
        return (Int(columns), Int(rows))
    }
}
