import CLinux
import Dispatch
import KVM
import SoftwareKVM
import Synchronization

/// What the kernel makes for every machine alike, whatever it will be: KVM opened, a machine without memory, and the CPUID leaves that
/// the host can show. A third of a start, which need not wait for anything.
///
/// What else a machine has comes in this order: filter, memory slots, interrupt controllers, timer. In another one the kernel may wait
/// milliseconds for what the one before left to do.
final class BlankMachine: Sendable {
    private typealias Making = (queue: DispatchQueue, result: Handoff<Result<BlankMachine, VirtualMachineError>>)
    private static let ahead = Mutex<Making?>(nil)

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

    /// Has one made on another thread, for the first machine of this process that is started. Returns when that thread has begun.
    static func makeAhead() {
        let making = Making(DispatchQueue(label: "caisson.vcpu.0"), Handoff())
        let isFirst = ahead.withLock { ahead in
            guard ahead == nil else { return false }
            ahead = making
            return true
        }
        guard isFirst else { return }
        let processor = caisson_current_processor()
        let hasBegun = DispatchSemaphore(value: 0)
        making.queue.async {
            // Linux may have put this thread behind the one that asked for it, though other processors have nothing to do, and
            // would leave it there until that one has to wait.
            caisson_leave_processor(processor)
            hasBegun.signal()
            making.result.give(make())
        }
        hasBegun.wait()
    }

    /// Calls `body` on a queue for the machine's first vCPU, with a machine that was made ahead or a new one.
    static func take(_ body: @escaping @Sendable (Result<BlankMachine, VirtualMachineError>) -> Void) {
        if let making = ahead.withLock({ $0.take() }) {
            // The thread that made it goes on with this.
            making.queue.async { body(making.result.take()) }
        } else {
            DispatchQueue(label: "caisson.vcpu.0").async { body(make()) }
        }
    }
}
