import GuestMemory
import HostIO
import Synchronization

extension VirtualMachine {
    /// What the machine did since its last start, also after its end; nil before its first.
    ///
    /// Looking costs about as much as reading `/proc/self/smaps`, a millisecond or more. Nothing is counted for it but on the way.
    public var statistics: VirtualMachineStatistics? {
        let instance = parts.withLock { $0?.instance }
        instance?.openKernelCounters()
        guard var statistics = counters.withLock({ $0 })?.statistics else { return nil }
        if let instance, let memory = ProcessMemory(addresses: instance.memory.hostAddresses) {
            statistics.memory = .init(
                size: instance.memory.size, resident: memory.inside.resident,
                proportional: memory.inside.proportional, proportionalBeside: memory.outside.proportional)
        }
        return statistics
    }
}
