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
    /// Do not run the guest until the order is taken back.
    static let hold = VCPUOrders(rawValue: 1 << 3)
    /// Open the kernel's counters.
    static let openCounters = VCPUOrders(rawValue: 1 << 4)

    /// Orders that stay after they were taken.
    static let lasting: VCPUOrders = [.stop, .hold]
}

/// Orders that any thread gives and one carries out.
struct VCPUOrderBox: ~Copyable, Sendable {
    private let pending = Atomic<UInt8>(0)

    /// - Returns: what was pending before.
    @discardableResult
    func add(_ orders: VCPUOrders) -> VCPUOrders {
        VCPUOrders(rawValue: pending.bitwiseOr(orders.rawValue, ordering: .acquiringAndReleasing).oldValue)
    }

    /// Takes lasting orders back.
    /// - Returns: what was pending before.
    func remove(_ orders: VCPUOrders) -> VCPUOrders {
        VCPUOrders(rawValue: pending.bitwiseAnd(~orders.rawValue, ordering: .acquiringAndReleasing).oldValue)
    }

    /// The orders given since the last call, and those that last.
    func take() -> VCPUOrders {
        VCPUOrders(rawValue: pending.bitwiseAnd(VCPUOrders.lasting.rawValue, ordering: .acquiringAndReleasing).oldValue)
    }
}
