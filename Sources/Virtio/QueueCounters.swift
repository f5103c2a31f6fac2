package import Synchronization

/// A count that one thread at a time keeps and any may read. It costs a load and a store, as a variable does.
package struct Counter: ~Copyable, Sendable {
    @usableFromInline let count = Atomic<UInt64>(0)

    package init() {}

    @inlinable
    package func add(_ amount: UInt64 = 1) {
        count.store(count.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    package var value: UInt64 { count.load(ordering: .relaxed) }
}

/// What went through a queue. It may last over the device's resets.
package final class QueueCounters: Sendable {
    /// The driver's, as far as the device saw them: several may be one.
    package let notifications = Counter()
    /// Requests completed.
    package let requests = Counter()
    /// Bytes that the device wrote into the requests' buffers, and those that it was given to read, without the headers
    /// that it took off.
    package let bytes = Counter()
    /// Times the driver was to be interrupted.
    package let interrupts = Counter()

    package init() {}
}
