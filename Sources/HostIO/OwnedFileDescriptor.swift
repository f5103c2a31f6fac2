import CLinux

/// Owns a file descriptor and closes it.
package struct OwnedFileDescriptor: ~Copyable {
    package let rawValue: Int32

    /// Takes over an open descriptor.
    package init(owning rawValue: Int32) {
        precondition(rawValue >= 0)
        self.rawValue = rawValue
    }

    deinit { close(rawValue) }
}
