import CLinux

/// A name in a directory: one component of a path, any bytes but `/` and NUL. `.` and `..` are none: nobody gets out of the share by
/// a name.
package struct FileName: Hashable, Sendable {
    /// With the NUL behind it that system calls want.
    let terminated: [CChar]

    /// NAME_MAX.
    package static let longest = 255

    /// - Throws: `EINVAL`, `ENAMETOOLONG`, `EPERM` for what is no such name.
    package init(_ bytes: some Collection<UInt8>) throws(FileError) {
        guard !bytes.isEmpty, !bytes.contains(0), !bytes.contains(UInt8(ascii: "/")) else { throw .invalid }
        guard bytes.count <= Self.longest else { throw FileError(ENAMETOOLONG) }
        guard !Self.isDots(bytes) else { throw .notPermitted }
        terminated = Self.terminated(bytes)
    }

    /// Whether this is how a directory calls itself or its parent.
    static func isDots(_ bytes: some Collection<UInt8>) -> Bool {
        (1...2).contains(bytes.count) && bytes.allSatisfy { $0 == UInt8(ascii: ".") }
    }

    static func terminated(_ bytes: some Collection<UInt8>) -> [CChar] {
        bytes.map { CChar(bitPattern: $0) } + [0]
    }
}
