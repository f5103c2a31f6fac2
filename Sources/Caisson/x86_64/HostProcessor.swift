import CLinux
import KVM
import Synchronization

/// What KVM can show guests of the host's processor, asked once in a process: it takes half a millisecond.
enum HostProcessor {
    private static let known = Mutex<[kvm_cpuid_entry2]?>(nil)

    /// The leaves of `KVM_GET_SUPPORTED_CPUID`. Waits where another thread is asking already.
    /// - Throws: `requestFailed`.
    static func supportedCPUID(_ system: borrowing KVMSystem) throws(KVMError) -> [kvm_cpuid_entry2] {
        try known.withLock { known throws(KVMError) in
            if let known { return known }
            let leaves = try system.supportedCPUID()
            known = leaves
            return leaves
        }
    }
}

extension VirtualMachine {
    /// Asks the host now what the first machine to start will want to know, on a thread that has nothing else to do.
    package static func askHost() {
        // Whatever fails here fails again in `start()`, where somebody hears of it.
        guard let system = try? KVMSystem() else { return }
        _ = try? HostProcessor.supportedCPUID(system)
    }
}
