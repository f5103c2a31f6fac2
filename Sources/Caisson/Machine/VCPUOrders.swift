import Synchronization

/// What a vCPU's thread is to do before it runs its guest again.
struct VCPUOrders: OptionSet, Sendable {
    let rawValue: UInt8

    /// Wait until told to go on.
    static let pause = VCPUOrders(rawValue: 1 << 0)
    /// Look whether the guest waits for an interrupt that it has switched off.
    static let inspect = VCPUOrders(rawValue: 1 << 1)
    /// Run the guest never again.
    static let stop = VCPUOrders(rawValue: 1 << 2)
}

/// Orders that any thread gives and one carries out.
struct VCPUOrderBox: ~Copyable, Sendable {
    private let pending = Atomic<UInt8>(0)

    func add(_ orders: VCPUOrders) { pending.bitwiseOr(orders.rawValue, ordering: .releasing) }

    /// The orders given since the last call. A stop stays.
    func take() -> VCPUOrders {
        let taken = VCPUOrders(rawValue: pending.exchange(0, ordering: .acquiring))
        if taken.contains(.stop) { add(.stop) }
        return taken
    }
}
