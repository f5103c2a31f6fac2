import CLinux
import Glibc

/// A pseudo-terminal with the settings of a terminal that a person types at.
package struct TestTerminal {
    package let master: Descriptor
    package let slave: Descriptor
    package let path: String

    package init() {
        var raw: Int32 = -1
        var name = [CChar](repeating: 0, count: 128)
        precondition(caisson_open_pseudoterminal(&raw, &name, name.count) == 0)
        master = Descriptor(raw)
        path = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
        slave = .opening(path, O_RDWR | O_NOCTTY)
        var mode = termios()
        tcgetattr(slave.raw, &mode)
        mode.c_lflag |= tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
        mode.c_iflag |= tcflag_t(ICRNL | IXON)
        mode.c_oflag |= tcflag_t(OPOST | ONLCR)
        tcsetattr(slave.raw, TCSANOW, &mode)
    }

    package func resize(rows: UInt16, columns: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        precondition(ioctl(master.raw, UInt(TIOCSWINSZ), &size) == 0)
    }

    /// The settings that raw mode changes.
    package static func modes(of descriptor: Int32) -> [tcflag_t] {
        var mode = termios()
        tcgetattr(descriptor, &mode)
        return [mode.c_iflag, mode.c_oflag, mode.c_lflag, mode.c_cflag]
    }

    package var modes: [tcflag_t] { Self.modes(of: slave.raw) }

    package static func isRaw(_ descriptor: Int32) -> Bool {
        modes(of: descriptor)[2] & tcflag_t(ICANON | ECHO | ISIG) == 0
    }

    package var isRaw: Bool { Self.isRaw(slave.raw) }
}
