import CLinux

/// Why a request failed: an errno of Linux's, which is what the guest is told.
package struct FileError: Error, Equatable, Sendable {
    /// Above 0.
    package let number: Int32

    package init(_ number: Int32) { self.number = number }

    /// EINVAL: a request that makes no sense.
    package static let invalid = Self(EINVAL)
    /// ENOSYS: a kind of request that there is no answer to. The guest's kernel does without from then on.
    package static let notImplemented = Self(ENOSYS)
    /// EOPNOTSUPP.
    package static let notSupported = Self(EOPNOTSUPP)
    /// EROFS: a share that is only read.
    package static let readOnly = Self(EROFS)
    /// ESTALE: what a number stood for is not there any more.
    package static let stale = Self(ESTALE)
    /// EBADF: no open file of that number.
    package static let notOpen = Self(EBADF)
    /// ENFILE: as many files as there may be.
    package static let tooMany = Self(ENFILE)
    /// EPERM.
    package static let notPermitted = Self(EPERM)
    /// EPROTO: before the two sides agreed on how to speak.
    package static let notNegotiated = Self(EPROTO)
}
