/// One thread that waits for descriptors, timers and work, and calls their handlers one at a time.
package final class EventLoop: Sendable {
    /// What a descriptor is, or is to be waited for: epoll's events.
    package struct Readiness: OptionSet, Sendable, Hashable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let readable = Self(rawValue: 0x001)
        package static let writable = Self(rawValue: 0x004)
        /// Told without being asked for.
        package static let error = Self(rawValue: 0x008)
        /// Told without being asked for.
        package static let hangUp = Self(rawValue: 0x010)
    }

    /// One registered descriptor.
    package struct Registration: Hashable, Sendable {
        let id: UInt64
    }

    /// Starts the thread.
    /// - Parameter name: the thread's, at most 15 bytes.
    package init(name: String) throws(HostError) { preconditionFailure("being built") }

    /// Calls `handler` on the loop whenever `descriptor` is ready as asked, until removed. From any thread.
    /// - Parameter interest: nothing keeps the descriptor from being waited for, a hang-up included.
    package func register(
        _ descriptor: Int32, for interest: Readiness, handler: @escaping @Sendable (Readiness) -> Void
    ) throws(HostError) -> Registration { preconditionFailure("being built") }

    /// From any thread.
    package func setInterest(_ interest: Readiness, of registration: Registration) {
        preconditionFailure("being built")
    }

    /// Ends a registration, before its descriptor is closed. From any thread; the handler may be running a last time.
    package func remove(_ registration: Registration) { preconditionFailure("being built") }

    /// Runs `work` on the loop, after what was submitted before. From any thread.
    package func submit(_ work: @escaping @Sendable () -> Void) { preconditionFailure("being built") }

    /// Whether the caller is on the loop.
    package var isCurrent: Bool { preconditionFailure("being built") }

    /// Runs what was submitted before, and ends the thread. Not on the loop.
    package func stop() { preconditionFailure("being built") }
}
