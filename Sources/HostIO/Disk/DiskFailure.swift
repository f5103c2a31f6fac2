package import SystemPackage

/// An operation of a disk that failed.
package struct DiskFailure: Error, Hashable, Sendable {
    package enum Operation: String, Sendable {
        case read, write, flush, discard
        case writeZeroes = "write zeroes to"
    }

    package enum Reason: Hashable, Sendable {
        case refused(Errno)
        /// The file ends before the disk does.
        case endOfFile
    }

    package let operation: Operation
    /// In bytes.
    package let offset: UInt64
    package let reason: Reason

    init(_ operation: Operation, at offset: UInt64, _ reason: Reason) {
        self.operation = operation
        self.offset = offset
        self.reason = reason
    }

    /// From what a system call returned: a negative errno.
    init(_ operation: Operation, at offset: UInt64, result: Int) {
        self.init(operation, at: offset, .refused(Errno(rawValue: CInt(truncatingIfNeeded: -result))))
    }
}

extension DiskFailure: CustomStringConvertible {
    /// What failed and why, to follow the disk's name.
    package var description: String {
        let place = operation == .flush ? "it" : "byte \(offset)"
        let why =
            switch reason {
            case .refused(let errno): "\(errno)"
            case .endOfFile: "the file became shorter than the disk"
            }
        return "cannot \(operation.rawValue) \(place): \(why)"
    }
}
