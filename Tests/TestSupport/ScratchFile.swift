import Glibc
import Synchronization

/// A file without a name.
package final class ScratchFile: Sendable {
    package let descriptor: Descriptor
    private static let count = Atomic(0)

    package init() {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let number = Self.count.add(1, ordering: .relaxed).newValue
        let path = "\(parent)/caisson-test-\(getpid())-\(number)"
        let file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        precondition(file >= 0, "\(path): errno \(errno)")
        unlink(path)
        descriptor = Descriptor(file)
    }

    /// All that is in it by now.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// All that is in it by now.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = pread(descriptor.raw, &buffer, buffer.count, bytes.count)
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
        }
    }
}
