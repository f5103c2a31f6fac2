import CLinux
package import KVM

// The vCPU's own methods meet the other requirements.
extension VCPU: RepairableCPU {
    package func writeSystemCallMSRs(star: UInt64, lstar: UInt64, sfmask: UInt64) throws(KVMError) {
        try setMSRs([
            ModelSpecificRegister(MSR.star, star), ModelSpecificRegister(MSR.lstar, lstar),
            ModelSpecificRegister(MSR.sfmask, sfmask),
        ])
    }
}

extension VCPU: ProbeCPU {
    package func runProbe() throws(KVMError) -> ProbeExit {
        var timer: timer_t?
        // SAFETY: the kernel's timer is stored during the call. It kicks this very thread, and is gone at the end.
        let started = unsafe caisson_kick_self_after(1_000_000_000, &timer) == 0
        defer { if started { unsafe _ = caisson_cancel_kick(timer) } }
        return switch try run() {
        case .portWrite(let access): .output(port: access.port)
        case .emulationFailed: .emulationFailed
        case .interrupted: .other(UInt32(KVM_EXIT_INTR))
        case .shutdown: .other(UInt32(KVM_EXIT_SHUTDOWN))
        default: .other(.max)
        }
    }
}
