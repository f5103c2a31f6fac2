import CLinux
import Glibc
package import HostResources
import SystemPackage

/// The other end of a `LineServer` at an abstract name: one question, or one connection with the guest.
package struct ControlClient: ~Copyable {
    private let socket: OwnedFileDescriptor
    private let address: String

    /// Longest answer, in bytes, its end included.
    private static let answerLimit = 64 << 10

    /// Connects with whoever listens at `address`; nil where nobody does.
    package init?(_ address: String) throws(HostError) {
        do { socket = try OwnedFileDescriptor(connectingToAbstract: address) } catch {
            if error.errno == .connectionRefused { return nil }
            throw error
        }
        self.address = address
    }

    /// The process that listens; it cannot be another by now, as long as it answers.
    package func process() throws(HostError) -> HostedProcess {
        var user: UInt32 = 0
        // SAFETY: the variable is written during the call.
        let id = unsafe caisson_unix_peer(socket.rawValue, &user)
        guard id > 0 else { throw HostError("examine", "@\(address)", Errno(rawValue: id < 0 ? -id : ESRCH)) }
        return try HostedProcess(id: id)
    }

    /// Says `line` and returns the line that comes back; nil where none comes within `milliseconds`.
    package func ask(_ line: String, within milliseconds: Int32 = 2000) -> String? {
        socket.sendLine(line)
        var answer: [UInt8] = []
        let end = ContinuousClock.now + .milliseconds(Int64(milliseconds))
        while answer.count < Self.answerLimit {
            let rest = (end - .now).components
            let left = Int32(max(0, rest.seconds * 1000 + rest.attoseconds / 1_000_000_000_000_000))
            var wait = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
            // SAFETY: one entry, and below one byte. What comes behind the line is left for who takes the socket.
            let ready = unsafe poll(&wait, 1, left)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return nil }
            var byte: UInt8 = 0
            let count = unsafe caisson_receive(socket.rawValue, &byte, 1)
            if count == -Int64(EINTR) || count == -Int64(EAGAIN) { continue }
            guard count == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return String(decoding: answer, as: UTF8.self) }
            answer.append(byte)
        }
        return nil
    }

    /// The connection itself, behind what was asked.
    package consuming func release() -> OwnedFileDescriptor { socket }
}

/// A process of the host's that may not be this one's child.
package struct HostedProcess: ~Copyable {
    package let id: Int32
    private let descriptor: OwnedFileDescriptor

    init(id: Int32) throws(HostError) {
        let result = caisson_open_process(id)
        guard result >= 0 else { throw HostError("find", "process \(id)", Errno(rawValue: -result)) }
        self.id = id
        descriptor = OwnedFileDescriptor(owning: result)
    }

    /// Sends a signal, unless it has ended.
    package func signal(_ number: Int32) throws(HostError) {
        let result = caisson_signal_process(descriptor.rawValue, number)
        guard result == 0 || result == -ESRCH else {
            throw HostError("signal", "process \(id)", Errno(rawValue: -result))
        }
    }

    /// Whether it ended within that time.
    package func hasEnded(within milliseconds: Int32) -> Bool {
        var wait = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        let end = ContinuousClock.now + .milliseconds(Int64(milliseconds))
        while true {
            let rest = (end - .now).components
            let left = Int32(max(0, rest.seconds * 1000 + rest.attoseconds / 1_000_000_000_000_000))
            // SAFETY: one entry.
            let ready = unsafe poll(&wait, 1, left)
            if ready >= 0 || errno != EINTR { return ready > 0 }
        }
    }
}

/// The abstract names of Unix sockets at which somebody listens, from /proc/net/unix (proc(5)).
package enum AbstractNames {
    /// Those that begin with `prefix`, in order, without it.
    /// - Parameter table: of another host, for tests.
    package static func listening(prefix: String, in table: String? = nil) throws(HostError) -> [String] {
        let text = if let table { table } else { try HostFile.text(of: "/proc/net/unix", limit: 64 << 20) }
        var names: Set<String> = []
        for line in text.split(separator: "\n").dropFirst() {
            // Num RefCount Protocol Flags Type St Inode Path: a socket that listens has the flag 0x10000 (__SO_ACCEPTCON).
            let fields = line.split(separator: " ", maxSplits: 7, omittingEmptySubsequences: true)
            guard fields.count == 8, let flags = UInt32(fields[3], radix: 16), flags & 0x10000 != 0,
                fields[7].hasPrefix("@\(prefix)")
            else { continue }
            names.insert(String(fields[7].dropFirst(1 + prefix.count)))
        }
        return names.sorted()
    }
}
