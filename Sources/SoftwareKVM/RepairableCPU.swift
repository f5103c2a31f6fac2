package import CLinux

/// What a repair needs of a vCPU: the kernel's view of its state, between two runs.
///
/// Registers and special registers are asked for on every exit that is repaired, so a conformance keeps them in the
/// `kvm_run` area's synchronized registers (`KVM_CAP_SYNC_REGS`), where they cost no system call. The rest is rare.
package protocol RepairableCPU: ~Copyable {
    /// Why a request to the kernel failed.
    associatedtype Failure: Error

    func registers() throws(Failure) -> kvm_regs
    func setRegisters(_ registers: kvm_regs) throws(Failure)
    func specialRegisters() throws(Failure) -> kvm_sregs
    func setSpecialRegisters(_ registers: kvm_sregs) throws(Failure)
    func events() throws(Failure) -> kvm_vcpu_events
    func setEvents(_ events: kvm_vcpu_events) throws(Failure)
    func setGuestDebug(_ debug: kvm_guest_debug) throws(Failure)
    /// Reads a model-specific register, past any MSR filter.
    func readMSR(_ index: UInt32) throws(Failure) -> UInt64
    /// Writes a model-specific register, past any MSR filter. A value that the kernel refuses is a failure.
    func writeMSR(_ index: UInt32, _ value: UInt64) throws(Failure)
    /// Writes the registers that SYSCALL goes by, in one request.
    func writeSystemCallMSRs(star: UInt64, lstar: UInt64, sfmask: UInt64) throws(Failure)
    /// Reads or writes the x87, SSE and AVX state: `struct kvm_xsave`, 4096 bytes in XSAVE's standard format
    /// (Intel SDM 1, 13.4).
    func getExtendedState(_ state: UnsafeMutableRawPointer) throws(Failure)
    func setExtendedState(_ state: UnsafeRawPointer) throws(Failure)
    func extendedControlRegisters() throws(Failure) -> kvm_xcrs
    func setExtendedControlRegisters(_ registers: kvm_xcrs) throws(Failure)
    /// Makes KVM forget what it holds of the guest's page tables. `KVM_SET_SREGS` with CR4.PGE changed, and again with it
    /// as it was, does that: both by the system call itself.
    func flushTranslations() throws(Failure)
}
