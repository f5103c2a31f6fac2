import CLinux
import HostIO
import KVM
import SoftwareKVM
import Synchronization

/// What the kernel makes for every machine alike, whatever it will be: KVM opened, a machine without memory, and the CPUID leaves that
/// the host can show. A third of a start, which need not wait for anything.
///
/// What else a machine has comes in this order: filter, memory slots, interrupt controllers, timer. In another one the kernel may wait
/// milliseconds for what the one before left to do.
final class BlankMachine: Sendable {
    typealias Use = @Sendable (Result<BlankMachine, VirtualMachineError>) -> Void

    /// What the thread that makes one ahead waits for.
    private final class Waiting: Sendable {
        let use = Handoff<Use>()
    }

    private static let ahead = Mutex<(thread: HostThread, waiting: Waiting)?>(nil)

    let system: KVMSystem
    let supportedCPUID: [kvm_cpuid_entry2]
    /// The accesses to model-specific registers that the machine brings to Caisson, as this host is expected to need it.
    let filter: MSRFilter?
    private let machine: Mutex<KVMMachine?>

    /// - Throws: what keeps this host from having machines.
    private init() throws(KVMError) {
        system = try KVMSystem()
        try system.checkRequiredCapabilities()
        filter = HostProbing.expected.interceptedMSRs
        let machine = try system.makeMachine()
        // Before the filter, for which the kernel waits until a processor has time for it.
        supportedCPUID = try system.supportedCPUID()
        if let filter { try machine.filterMSRs(filter) }
        self.machine = Mutex(machine)
    }

    /// The machine, once.
    func takeMachine() -> KVMMachine {
        guard let machine = machine.withLock({ $0.take() }) else { preconditionFailure("a machine is taken once") }
        return machine
    }

    private static func make() -> Result<BlankMachine, VirtualMachineError> {
        do throws(KVMError) { return .success(try BlankMachine()) } catch {
            return .failure(VirtualMachineError(error))
        }
    }

    /// Has one made on another thread, for the next machine of this process that is started.
    static func makeAhead() {
        let waiting = Waiting()
        let thread = try? start {
            let made = make()
            waiting.use.take()(made)
        }
        // Where there is none, that machine has to tell why.
        guard let thread else { return }
        ahead.withLock { $0 = (thread, waiting) }
    }

    /// Has a thread for the machine's first vCPU call `use`, with the machine that was made ahead or a new one.
    /// - Returns: the thread, to be joined.
    static func take(_ use: @escaping Use) throws(HostError) -> HostThread {
        guard let (thread, waiting) = ahead.withLock({ $0.take() }) else { return try start { use(make()) } }
        waiting.use.give(use)
        return thread
    }

    private static func start(_ body: @escaping @Sendable () -> Void) throws(HostError) -> HostThread {
        try HostThread(name: VCPUThread.name(of: 0), at: .elsewhere, body)
    }
}
