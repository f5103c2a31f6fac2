import KVM
import Synchronization
import Virtio

/// What a virtual processor did since its machine started: one vCPU after the other, with each reset.
final class ProcessorCounters: Sendable {
    // Only the vCPU's thread counts.
    private let portAccesses = Counter()
    private let memoryAccesses = Counter()
    private let interruptions = Counter()
    private let repairs = Counter()

    private struct Life {
        /// Of vCPUs that are gone.
        var earlierCPUTime: UInt64 = 0
        var earlierKernel: KernelCounters.Values?
        /// Of the one that is there.
        var kick: VCPUKick?
        var kernel: KernelCounters?

        var cpuTime: UInt64 { earlierCPUTime + (kick?.cpuTime ?? 0) }

        var kernelValues: KernelCounters.Values? {
            guard let now = kernel?.values else { return earlierKernel }
            return earlierKernel.map { $0 + now } ?? now
        }
    }

    private let life = Mutex(Life())

    // MARK: On the vCPU's thread

    /// An exit that a device was for.
    @inline(__always)
    func countAccess(_ exit: VCPUExit) {
        switch exit {
        case .portRead, .portWrite: portAccesses.add()
        default: memoryAccesses.add()
        }
    }

    func countInterruption() { interruptions.add() }
    func countRepair() { repairs.add() }

    /// A vCPU begins.
    func begin(_ kick: VCPUKick) { life.withLock { $0.kick = kick } }

    /// The kernel counts, too.
    func setKernelCounters(_ counters: KernelCounters?) { life.withLock { $0.kernel = counters } }

    /// The vCPU is about to go.
    func end() {
        life.withLock { life in
            (life.earlierCPUTime, life.earlierKernel) = (life.cpuTime, life.kernelValues)
            (life.kick, life.kernel) = (nil, nil)
        }
    }

    // MARK: From any thread

    var statistics: VirtualMachineStatistics.Processor {
        let (cpuTime, kernel) = life.withLock { ($0.cpuTime, $0.kernelValues) }
        var result = VirtualMachineStatistics.Processor()
        result.cpuTime = .nanoseconds(Int64(clamping: cpuTime))
        result.portAccesses = portAccesses.value
        result.memoryAccesses = memoryAccesses.value
        result.interruptions = interruptions.value
        result.repairs = repairs.value
        result.kernel = kernel.map { values in
            var kernel = VirtualMachineStatistics.Kernel()
            kernel.exits = values.exits
            kernel.halts = values.halts
            kernel.wakeUps = values.wakeUps
            kernel.interrupts = values.interrupts
            kernel.emulations = values.emulations
            return kernel
        }
        return result
    }
}
