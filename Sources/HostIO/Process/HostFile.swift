import CLinux
import HostResources
import SystemPackage

/// Small files that tell about the host, in /proc, /sys and /etc.
package enum HostFile {
    /// The file's text, up to `limit` bytes.
    /// - Throws: `HostError`.
    package static func text(of path: String, limit: Int = 1 << 20) throws(HostError) -> String {
        let file = try OwnedFileDescriptor(opening: path, .readOnly, options: [])
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < limit {
            // SAFETY: the chunk holds as many bytes as are read.
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe caisson_read(file.rawValue, buffer.baseAddress, min(buffer.count, limit - bytes.count))
            }
            guard count >= 0 else { throw HostError("read", path, Errno(rawValue: Int32(-count))) }
            if count == 0 { break }
            bytes += chunk[..<Int(count)]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The file's first bytes, up to `count`.
    /// - Throws: `HostError`; `EISDIR` for a directory.
    package static func beginning(of path: String, _ count: Int) throws(HostError) -> [UInt8] {
        // A pipe without a writer must not make this wait.
        let file = try OwnedFileDescriptor(opening: path, .readOnly, options: .nonBlocking)
        var bytes = [UInt8](repeating: 0, count: count)
        // SAFETY: the array holds as many bytes as are read.
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe caisson_read(file.rawValue, buffer.baseAddress, buffer.count)
        }
        guard result >= 0 else { throw HostError("read", path, Errno(rawValue: Int32(-result))) }
        return Array(bytes.prefix(Int(result)))
    }

    package static func exists(_ path: String) -> Bool { (try? Stat(FilePath(path))) != nil }

    /// Whose a file is; nil where there is none.
    package static func ownership(of path: String) -> Ownership? {
        guard let status = try? Stat(FilePath(path)) else { return nil }
        return Ownership(
            user: status.userID.rawValue, group: status.groupID.rawValue,
            permissions: UInt32(status.permissions.rawValue))
    }

    package struct Ownership: Equatable, Sendable {
        package var user: UInt32
        package var group: UInt32
        /// The nine permission bits, and those for set-id and sticky.
        package var permissions: UInt32
    }
}
