import CLinux
package import SystemPackage

/// A refusal by the host: what was tried, on what, and why it failed.
package struct HostError: Error, Equatable {
    /// A verb and what it acts on, e.g. "open".
    package let operation: String
    /// The path, address or descriptor.
    package let object: String
    package let errno: Errno

    package init(_ operation: String, _ object: String, _ errno: Errno) {
        self.operation = operation
        self.object = object
        self.errno = errno
    }
}

extension HostError: CustomStringConvertible {
    package var description: String { "cannot \(operation) \(object): \(errno)" }
}

extension Errno {
    /// The error of the system call that just failed.
    package static var current: Errno {
        // SAFETY: the C library's pointer to the calling thread's errno.
        Errno(rawValue: unsafe __errno_location().pointee)
    }
}
