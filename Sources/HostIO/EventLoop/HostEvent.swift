import CLinux
import HostResources
import SystemPackage

/// An eventfd: the kernel or any thread signals it, an event loop or the kernel waits for it.
package final class HostEvent: Sendable {
    private let owned: OwnedFileDescriptor

    /// - Throws: where the process or the host has no descriptor left.
    package init() throws(HostError) {
        let raw = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard raw >= 0 else { throw HostError("create", "an eventfd", .current) }
        owned = OwnedFileDescriptor(owning: raw)
    }

    /// Open as long as this object is kept.
    package var descriptor: Int32 { owned.rawValue }

    /// Wakes who waits. Several signals before that are one.
    package func signal() {
        // Fails only when the counter is full, and then it is signalled.
        _ = eventfd_write(owned.rawValue, 1)
    }

    /// Forgets the signals so far.
    package func clear() {
        var count: eventfd_t = 0
        // SAFETY: `count` is what an eventfd gives.
        _ = unsafe eventfd_read(owned.rawValue, &count)
    }
}
