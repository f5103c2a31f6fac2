import CLinux
import Glibc
import Testing

/// A pseudo-terminal of some size, in raw mode.
final class Screen {
    private let master: Int32
    let slave: Int32

    init(columns: UInt16, rows: UInt16) throws {
        var master: Int32 = -1
        var path = [CChar](repeating: 0, count: 64)
        try #require(caisson_open_pseudoterminal(&master, &path, path.count) == 0)
        self.master = master
        slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        try #require(ioctl(slave, UInt(TIOCSWINSZ), &size) == 0)
    }

    deinit {
        close(slave)
        close(master)
    }

    /// What was written by now.
    var text: String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(master, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }
}
