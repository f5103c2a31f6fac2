import Synchronization

/// A way to raise an edge-triggered interrupt. Called from any thread, sometimes with a device's lock held: it is short
/// (one system call) and calls no device.
package protocol InterruptTrigger: AnyObject, Sendable {
    /// One edge. Edges that the guest has not seen yet may be merged.
    func trigger()
}

/// The interrupt status of virtio over MMIO (virtio 1.2, section 4.2.2, InterruptStatus): why the one interrupt came.
///
/// Every event makes an edge, also while the guest has not acknowledged an earlier one: an interrupt that the guest
/// lost is repeated that way. A guest acknowledges first and looks at its queues then, so it misses nothing.
final class MMIOInterrupt: VirtioInterrupts {
    private static let usedBuffer: UInt32 = 1
    private static let configurationChange: UInt32 = 2

    private let pending = Atomic<UInt32>(0)
    private let line: any InterruptTrigger

    init(line: any InterruptTrigger) { self.line = line }

    var status: UInt32 { pending.load(ordering: .acquiring) }

    /// What the guest has handled.
    func acknowledge(_ bits: UInt32) { pending.bitwiseAnd(~bits, ordering: .acquiringAndReleasing) }

    /// A saved status. If it is not 0, the guest gets its interrupt again.
    func restore(_ status: UInt32) {
        if status != 0 { raise(status) }
    }

    func queueUsed(_ queue: Int) { raise(Self.usedBuffer) }

    func configurationChanged() { raise(Self.configurationChange) }

    func reset() { pending.store(0, ordering: .releasing) }

    // Used indices are stored before the bit, and the bit before the edge.
    private func raise(_ bits: UInt32) {
        pending.bitwiseOr(bits, ordering: .acquiringAndReleasing)
        line.trigger()
    }

    /// Bits that the status can have.
    static let allBits = usedBuffer | configurationChange
}
