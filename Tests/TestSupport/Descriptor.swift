import CLinux
import Glibc

/// A descriptor that closes itself.
package final class Descriptor: Sendable {
    package let raw: Int32

    package init(_ raw: Int32) {
        precondition(raw >= 0, "errno \(errno)")
        self.raw = raw
    }

    deinit { close(raw) }

    package static func pipe() -> (read: Descriptor, write: Descriptor) {
        var ends: [Int32] = [-1, -1]
        // A child that another test starts in between would hold the pipe open.
        ChildProcess.starting.withLock { _ in
            precondition(Glibc.pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }
        return (Descriptor(ends[0]), Descriptor(ends[1]))
    }

    package static func opening(_ path: String, _ flags: Int32) -> Descriptor {
        Descriptor(open(path, flags | O_CLOEXEC))
    }

    package func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(raw, $0.baseAddress, $0.count) }
            if count > 0 { sent += count } else if errno == EAGAIN { isReady(POLLOUT, 1000) } else { return }
        }
    }

    package func send(_ text: String) { send(Array(text.utf8)) }

    @discardableResult
    package func isReady(_ events: Int32 = POLLIN, _ milliseconds: Int32 = 0) -> Bool {
        caisson_poll(raw, Int16(events), milliseconds) & events != 0
    }

    /// What is there within ten seconds, up to `count` bytes; stops early at the end or an error.
    /// - Parameter limit: how long each wait may last.
    package func receive(_ count: Int, within limit: Duration = .seconds(10)) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < count, caisson_poll(raw, Int16(POLLIN), Int32(limit / .milliseconds(1))) > 0 {
            let got = read(raw, &buffer, min(buffer.count, count - bytes.count))
            if got <= 0 { break }
            bytes += buffer[..<got]
        }
        return bytes
    }

    package func receiveText(_ count: Int) -> String { String(decoding: receive(count), as: UTF8.self) }

    /// Up to and with `end`.
    package func receive(until end: String, within limit: Duration = .seconds(10)) -> String {
        var text: [UInt8] = []
        while !text.ends(with: Array(end.utf8)) {
            let next = receive(1, within: limit)
            if next.isEmpty { break }
            text += next
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension Array where Element: Equatable {
    package func ends(with suffix: [Element]) -> Bool {
        count >= suffix.count && Array(self[(count - suffix.count)...]) == suffix
    }
}
