import CLinux
import GuestMemory
import SoftwareKVM

/// A vCPU that plays the kernel: it holds state and runs nothing.
final class FakeCPU: ProbeCPU {
    struct Refused: Error, Equatable { let msr: UInt32 }

    var general = kvm_regs()
    var special = kvm_sregs()
    var eventState = kvm_vcpu_events()
    /// What the kernel was told last.
    var debug = kvm_guest_debug()
    var debugRequests = 0
    var msrs: [UInt32: UInt64] = [:]
    var refusedValues: Set<UInt64> = []
    /// As after reset: MXCSR is at byte 24.
    var extended = {
        var state = [UInt8](repeating: 0, count: 4096)
        (state[24], state[25]) = (0x80, 0x1f)
        return state
    }()
    var control = kvm_xcrs()
    /// What a run does; it may change the state as a guest would.
    var onRun: (FakeCPU) -> ProbeExit = { _ in .other(0) }

    func registers() throws(Refused) -> kvm_regs { general }
    func setRegisters(_ registers: kvm_regs) throws(Refused) { general = registers }
    func specialRegisters() throws(Refused) -> kvm_sregs { special }
    func setSpecialRegisters(_ registers: kvm_sregs) throws(Refused) { special = registers }
    func events() throws(Refused) -> kvm_vcpu_events { eventState }
    func setEvents(_ events: kvm_vcpu_events) throws(Refused) { eventState = events }

    func setGuestDebug(_ debug: kvm_guest_debug) throws(Refused) {
        self.debug = debug
        debugRequests += 1
    }

    func readMSR(_ index: UInt32) throws(Refused) -> UInt64 { msrs[index] ?? 0 }

    func writeMSR(_ index: UInt32, _ value: UInt64) throws(Refused) {
        if refusedValues.contains(value) { throw Refused(msr: index) }
        msrs[index] = value
    }

    func writeSystemCallMSRs(star: UInt64, lstar: UInt64, sfmask: UInt64) throws(Refused) {
        try writeMSR(MSR.star, star)
        try writeMSR(MSR.lstar, lstar)
        try writeMSR(MSR.sfmask, sfmask)
    }

    func getExtendedState(_ state: UnsafeMutableRawPointer) throws(Refused) {
        state.copyMemory(from: extended, byteCount: 4096)
    }

    func setExtendedState(_ state: UnsafeRawPointer) throws(Refused) {
        extended = [UInt8](UnsafeRawBufferPointer(start: state, count: 4096))
    }

    func extendedControlRegisters() throws(Refused) -> kvm_xcrs { control }
    func setExtendedControlRegisters(_ registers: kvm_xcrs) throws(Refused) { control = registers }

    var flushes = 0
    func flushTranslations() throws(Refused) { flushes += 1 }

    func runProbe() throws(Refused) -> ProbeExit { onRun(self) }
    func completeExit() throws(Refused) {}

    var breaksAt: [UInt64] {
        guard debug.control & UInt32(KVM_GUESTDBG_USE_HW_BP) != 0 else { return [] }
        var addresses: [UInt64] = []
        if debug.arch.debugreg.7 & 0b0010 != 0 { addresses.append(debug.arch.debugreg.0) }
        if debug.arch.debugreg.7 & 0b1000 != 0 { addresses.append(debug.arch.debugreg.1) }
        return addresses
    }

    var isStepping: Bool { debug.control & UInt32(KVM_GUESTDBG_SINGLESTEP) != 0 }

    /// A vector register's bytes from `lowest`, of its lower 16 or, from 16 on, of its next 16.
    func vector(_ number: Int, upper: Bool = false) -> [UInt8] {
        // Intel SDM 1, 13.4: XMM registers from byte 160, the upper halves of YMM registers from byte 576.
        let start = (upper ? 576 : 160) + number * 16
        return Array(extended[start..<start + 16])
    }

    func setVector(_ number: Int, _ bytes: [UInt8], upper: Bool = false) {
        let start = (upper ? 576 : 160) + number * 16
        extended.replaceSubrange(start..<start + 16, with: bytes)
        // XSTATE_BV: the component is not in its initial state.
        extended[512] |= upper ? 4 : 2
    }
}
