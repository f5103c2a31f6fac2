/// How the two sides speak: `<linux/fuse.h>`, version 7.36.
package enum FuseProtocol {
    static let major: UInt32 = 7
    static let minor: UInt32 = 36
    /// That of Linux 5.4, the first with virtio-fs: older ones have shorter answers.
    static let leastMinor: UInt32 = 31
    /// Bytes of one read or write.
    package static let mostData: UInt32 = 1 << 20
    /// Pages of it.
    static let mostPages: UInt16 = 256

    /// What is offered of FUSE_…: ASYNC_READ, ATOMIC_O_TRUNC, BIG_WRITES, AUTO_INVAL_DATA, DO_READDIRPLUS, READDIRPLUS_AUTO, ASYNC_DIO,
    /// PARALLEL_DIROPS, MAX_PAGES, CACHE_SYMLINKS, HANDLE_KILLPRIV_V2.
    ///
    /// Not WRITEBACK_CACHE: with it the guest's kernel would take its own word for a file's size and time, and the host's changes
    /// would be lost. Not POSIX_LOCKS and FLOCK_LOCKS: locks are the guest's own.
    static let features: UInt32 = [0, 3, 5, 12, 13, 14, 15, 18, 22, 23, 28].reduce(0) { $0 | 1 << $1 }
}

extension MessageWriter {
    /// `struct fuse_init_out`.
    mutating func append(answerTo request: FuseRequest.Negotiation) {
        append(FuseProtocol.major)
        append(FuseProtocol.minor)
        append(request.maximumReadAhead)
        append(request.flags & FuseProtocol.features)
        // Requests that nobody waits for, and how many of them make the kernel slow down.
        append(UInt16(64))
        append(UInt16(48))
        append(FuseProtocol.mostData)
        // Times to the nanosecond.
        append(UInt32(1))
        append(FuseProtocol.mostPages)
        append(zeros: 2 + 4 + 7 * 4)
    }
}
