import GuestMemory
import HostIO
import KVM
import Logging
import SoftwareKVM

/// What the kernel keeps of a machine: its memory, the virtual machine, and its vCPUs, each on a thread of its own.
///
/// The first vCPU's thread makes all of it, while whoever asked opens what the machine needs of the host. The kernel takes
/// a third of a millisecond for CPUID alone where the host's processor is a virtual one.
final class MachineCore: Sendable {
    /// The machine, and what its processors are.
    struct Parts: Sendable {
        let machine: MachineHandle
        let identity: ProcessorIdentity
        /// The accesses to model-specific registers that the machine's filter brings to Caisson.
        let filter: MSRFilter?
    }

    /// The guest's, from the beginning: it can be loaded while the rest is made.
    let memory: GuestMemory
    let threads: [VCPUThread]
    private let made = Handoff<Result<Parts, VirtualMachineError>>()

    /// Begins to make the machine of a validated configuration.
    /// - Parameter counters: of each processor.
    /// - Throws: `hostFailure` where the host has not the memory.
    init(
        _ configuration: VirtualMachineConfiguration, counters: [ProcessorCounters], logger: Logger
    ) throws(VirtualMachineError) {
        let memory: GuestMemory
        do {
            memory = try GuestMemory(size: configuration.memorySize, backing: configuration.memoryBacking.backing)
        } catch { throw VirtualMachineError(.hostFailure, "\(error)") }
        self.memory = memory
        threads = counters.enumerated().map { index, counters in
            VCPUThread(
                index: index, hostProcessor: configuration.cpuAffinity.isEmpty ? nil : configuration.cpuAffinity[index],
                counters: counters)
        }
        do throws(HostError) {
            for thread in threads { thread.setHost(try start(thread, configuration, logger)) }
        } catch {
            cancel()
            throw VirtualMachineError(error)
        }
    }

    private func start(
        _ thread: VCPUThread, _ configuration: VirtualMachineConfiguration, _ logger: Logger
    ) throws(HostError) -> HostThread {
        guard thread.index == 0 else {
            return try HostThread(name: VCPUThread.name(of: thread.index)) { [self] in thread.live(take) }
        }
        return try BlankMachine.take { [self] blank in
            thread.live { () throws(VirtualMachineError) in
                made.give(Self.make(configuration, memory, blank, logger))
                return try take()
            }
        }
    }

    /// Waits until the machine is made.
    /// - Throws: `hostFailure`.
    func take() throws(VirtualMachineError) -> Parts { try made.take().get() }

    /// Ends a machine that is not to run. Returns when its threads have.
    func cancel() {
        for thread in threads { thread.order(.stop) }
        for thread in threads { thread.join() }
    }

    private static func make(
        _ configuration: VirtualMachineConfiguration, _ memory: GuestMemory,
        _ blank: Result<BlankMachine, VirtualMachineError>, _ logger: Logger
    ) -> Result<Parts, VirtualMachineError> {
        do throws(VirtualMachineError) {
            let blank = try blank.get()
            return .success(try onHost { () throws(KVMError) in try make(configuration, memory, blank, logger) })
        } catch { return .failure(error) }
    }

    private static func make(
        _ configuration: VirtualMachineConfiguration, _ memory: GuestMemory, _ blank: BlankMachine, _ logger: Logger
    ) throws(KVMError) -> Parts {
        let recommended = blank.system.value(of: .recommendedVCPUs)
        if configuration.cpuCount > recommended {
            logger.warning(
                "\(configuration.cpuCount) processors take turns on the \(recommended) that this host's KVM recommends")
        }
        let kvm = blank.takeMachine()
        try kvm.setMemory(memory)
        // Below the firmware's place under 4 GiB, where no device is.
        try kvm.reservePages(at: 0xfffb_c000)
        try kvm.makeInterruptControllers()
        let identity = ProcessorIdentity(
            supported: blank.supportedCPUID, processorCount: configuration.cpuCount,
            hasDeadlineTimer: blank.system.has(.tscDeadlineTimer))
        return Parts(machine: MachineHandle(kvm, memory: memory), identity: identity, filter: blank.filter)
    }
}
