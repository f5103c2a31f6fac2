import CLinux
import Glibc

/// A socket of the host's, on 127.0.0.1.
package struct LoopbackSocket {
    package let descriptor: Descriptor
    package let port: UInt16

    private static func address(_ port: UInt16) -> sockaddr_in {
        sockaddr_in(
            sin_family: sa_family_t(AF_INET), sin_port: port.bigEndian,
            sin_addr: in_addr(s_addr: UInt32(0x7f00_0001).bigEndian), sin_zero: (0, 0, 0, 0, 0, 0, 0, 0))
    }

    private static func with<Result>(
        _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Result
    ) -> Result {
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }

    private static func make(isDatagram: Bool) -> Descriptor {
        let kind = Int32((isDatagram ? SOCK_DGRAM : SOCK_STREAM).rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        return Descriptor(socket(AF_INET, kind, 0))
    }

    /// Bound to a free port, and listening if it is TCP's.
    package init(isDatagram: Bool = false) {
        descriptor = Self.make(isDatagram: isDatagram)
        var address = Self.address(0)
        let raw = descriptor.raw
        precondition(Self.with(&address) { bind(raw, $0, $1) } == 0)
        precondition(isDatagram || listen(raw, 8) == 0)
        precondition(Self.with(&address) { getsockname(raw, $0, &$1) } == 0)
        port = UInt16(bigEndian: address.sin_port)
    }

    /// A port that nobody uses at the moment.
    package static func freePort(isDatagram: Bool = false) -> UInt16 { LoopbackSocket(isDatagram: isDatagram).port }

    /// A connection, or a socket whose messages go to the port; nil where nobody listens.
    package static func connect(to port: UInt16, isDatagram: Bool = false) -> Descriptor? {
        let descriptor = make(isDatagram: isDatagram)
        var address = address(port)
        return with(&address) { Glibc.connect(descriptor.raw, $0, $1) } == 0 ? descriptor : nil
    }

    /// The next client, if it comes in time.
    package func accept(within milliseconds: Int32 = 10_000) -> Descriptor? {
        guard descriptor.isReady(POLLIN, milliseconds) else { return nil }
        return Descriptor(caisson_accept(descriptor.raw))
    }

    /// Answers the next message, if it comes in time.
    package func answer(within milliseconds: Int32 = 10_000, _ answer: ([UInt8]) -> [UInt8]) {
        guard descriptor.isReady(POLLIN, milliseconds) else { return }
        var buffer = [UInt8](repeating: 0, count: 2048)
        var sender = sockaddr_in()
        let raw = descriptor.raw
        let count = Self.with(&sender) { recvfrom(raw, &buffer, 2048, 0, $0, &$1) }
        let bytes = answer(Array(buffer[..<max(0, count)]))
        _ = Self.with(&sender) { address, length in
            bytes.withUnsafeBytes { sendto(raw, $0.baseAddress, $0.count, 0, address, length) }
        }
    }
}
