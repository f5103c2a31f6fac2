import GuestMemory
import KVM
import LinuxBoot
import SoftwareKVM
import Synchronization

/// Finds out once in a process what the host's KVM leaves undone.
enum HostProbing {
    private static let known = Mutex<HostQuirks?>(nil)

    /// What probing found, or is likely to find if nothing was probed yet.
    static var expected: HostQuirks { known.withLock { $0 } ?? .expected }

    /// Probes with a vCPU that has not run yet and memory that holds nothing yet; both are as before afterwards.
    static func quirks(
        of vcpu: borrowing VCPU, memory: GuestMemory
    ) throws(VirtualMachineError) -> HostQuirks {
        if let known = known.withLock({ $0 }) { return known }
        guard let probe = try? HostProbe(memory: memory, base: GuestAddress(BootLayout.hostProbe.start)) else {
            preconditionFailure("a machine is smaller than its minimum")
        }
        defer { probe.clear() }
        let quirks = try onHost { () throws(KVMError) in try probe.quirks(of: vcpu) }
        known.withLock { $0 = quirks }
        return quirks
    }
}
