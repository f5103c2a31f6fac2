package import CLinux

/// A model-specific register and its value.
package struct ModelSpecificRegister: Equatable, Sendable {
    package let index: UInt32
    package let value: UInt64

    package init(_ index: UInt32, _ value: UInt64) {
        self.index = index
        self.value = value
    }
}

extension VCPU {
    // MARK: Identity

    /// What CPUID shows this vCPU's guest. Before the first run.
    /// - Throws: `requestFailed`.
    package func setCPUID(_ entries: [kvm_cpuid_entry2]) throws(KVMError) {
        try descriptor.request(CAISSON_KVM_SET_CPUID2, TrailingArray(entries), "KVM_SET_CPUID2")
    }

    /// What CPUID shows the guest, features that the kernel adds by itself included.
    /// - Throws: `requestFailed`.
    package func cpuid() throws(KVMError) -> [kvm_cpuid_entry2] {
        let table = TrailingArray<kvm_cpuid_entry2>(capacity: 256)
        try descriptor.request(CAISSON_KVM_GET_CPUID2, table, "KVM_GET_CPUID2")
        return table.elements
    }

    /// The frequency of the guest's time-stamp counter in kHz; 0 where KVM does not know it.
    /// - Throws: `requestFailed`.
    package func timeStampFrequency() throws(KVMError) -> UInt32 {
        UInt32(try descriptor.request(CAISSON_KVM_GET_TSC_KHZ, 0, "KVM_GET_TSC_KHZ"))
    }

    // MARK: Model-specific registers

    /// Reads registers, past any filter.
    /// - Throws: `requestFailed`, `msrRefused`.
    package func msrs(_ indices: [UInt32]) throws(KVMError) -> [ModelSpecificRegister] {
        let table = Self.table(indices.map { ModelSpecificRegister($0, 0) })
        let count = try descriptor.request(CAISSON_KVM_GET_MSRS, table, "KVM_GET_MSRS")
        guard count == indices.count else { throw .msrRefused(index: indices[Int(count)]) }
        return table.elements.map { ModelSpecificRegister($0.index, $0.data) }
    }

    /// Writes registers, past any filter.
    /// - Throws: `requestFailed`, `msrRefused` after those before it were written.
    package func setMSRs(_ registers: [ModelSpecificRegister]) throws(KVMError) {
        let count = try descriptor.request(CAISSON_KVM_SET_MSRS, Self.table(registers), "KVM_SET_MSRS")
        guard count == registers.count else { throw .msrRefused(index: registers[Int(count)].index) }
    }

    private static func table(_ registers: [ModelSpecificRegister]) -> TrailingArray<kvm_msr_entry> {
        TrailingArray(registers.map { kvm_msr_entry(index: $0.index, reserved: 0, data: $0.value) })
    }

    /// - Throws: `requestFailed`, `msrRefused`.
    package func readMSR(_ index: UInt32) throws(KVMError) -> UInt64 { try msrs([index])[0].value }

    /// - Throws: `requestFailed`, `msrRefused`.
    package func writeMSR(_ index: UInt32, _ value: UInt64) throws(KVMError) {
        try setMSRs([ModelSpecificRegister(index, value)])
    }

    // MARK: Floating point and vectors

    /// The x87 and SSE registers.
    /// - Throws: `requestFailed`.
    package func floatingPoint() throws(KVMError) -> kvm_fpu {
        try descriptor.receive(CAISSON_KVM_GET_FPU, kvm_fpu(), "KVM_GET_FPU")
    }

    /// - Throws: `requestFailed`.
    package func setFloatingPoint(_ state: kvm_fpu) throws(KVMError) {
        try descriptor.send(CAISSON_KVM_SET_FPU, state, "KVM_SET_FPU")
    }

    /// Stores x87, SSE and AVX state in `state`: 4096 bytes in XSAVE's standard format (Intel SDM 1, 13.4).
    /// - Throws: `requestFailed`.
    package func getExtendedState(_ state: UnsafeMutableRawPointer) throws(KVMError) {
        // SAFETY: the kernel writes 4096 bytes, which the caller provides.
        try unsafe check(
            caisson_ioctl(descriptor.rawValue, CAISSON_KVM_GET_XSAVE.number, state), "KVM_GET_XSAVE")
    }

    /// Loads what `getExtendedState` stored.
    /// - Throws: `requestFailed`.
    package func setExtendedState(_ state: UnsafeRawPointer) throws(KVMError) {
        // SAFETY: the kernel reads 4096 bytes, which the caller provides, and writes none.
        try unsafe check(
            caisson_ioctl(
                descriptor.rawValue, CAISSON_KVM_SET_XSAVE.number, UnsafeMutableRawPointer(mutating: state)),
            "KVM_SET_XSAVE")
    }

    /// XCR0.
    /// - Throws: `requestFailed`.
    package func extendedControlRegisters() throws(KVMError) -> kvm_xcrs {
        try descriptor.receive(CAISSON_KVM_GET_XCRS, kvm_xcrs(), "KVM_GET_XCRS")
    }

    /// - Throws: `requestFailed`.
    package func setExtendedControlRegisters(_ registers: kvm_xcrs) throws(KVMError) {
        try descriptor.send(CAISSON_KVM_SET_XCRS, registers, "KVM_SET_XCRS")
    }

    // MARK: Events and debugging

    /// Exceptions, interrupts and NMIs on their way.
    /// - Throws: `requestFailed`.
    package func events() throws(KVMError) -> kvm_vcpu_events {
        try descriptor.receive(CAISSON_KVM_GET_VCPU_EVENTS, kvm_vcpu_events(), "KVM_GET_VCPU_EVENTS")
    }

    /// - Throws: `requestFailed`.
    package func setEvents(_ events: kvm_vcpu_events) throws(KVMError) {
        try descriptor.send(CAISSON_KVM_SET_VCPU_EVENTS, events, "KVM_SET_VCPU_EVENTS")
    }

    /// Whether the vCPU runs, halts, or waits to be started (`KVM_MP_STATE_*`).
    /// - Throws: `requestFailed`.
    package func multiprocessingState() throws(KVMError) -> UInt32 {
        try descriptor.receive(CAISSON_KVM_GET_MP_STATE, kvm_mp_state(), "KVM_GET_MP_STATE").mp_state
    }

    /// - Throws: `requestFailed`.
    package func setMultiprocessingState(_ state: UInt32) throws(KVMError) {
        try descriptor.send(CAISSON_KVM_SET_MP_STATE, kvm_mp_state(mp_state: state), "KVM_SET_MP_STATE")
    }

    /// The host's breakpoints and steps; they take the guest's place.
    /// - Throws: `requestFailed`.
    package func setGuestDebug(_ debug: kvm_guest_debug) throws(KVMError) {
        try descriptor.send(CAISSON_KVM_SET_GUEST_DEBUG, debug, "KVM_SET_GUEST_DEBUG")
    }

    /// The guest's own debug registers.
    /// - Throws: `requestFailed`.
    package func debugRegisters() throws(KVMError) -> kvm_debugregs {
        try descriptor.receive(CAISSON_KVM_GET_DEBUGREGS, kvm_debugregs(), "KVM_GET_DEBUGREGS")
    }

    /// - Throws: `requestFailed`.
    package func setDebugRegisters(_ registers: kvm_debugregs) throws(KVMError) {
        try descriptor.send(CAISSON_KVM_SET_DEBUGREGS, registers, "KVM_SET_DEBUGREGS")
    }

    /// Where a linear address leads by the guest's page tables; nil where they do not map it.
    /// - Throws: `requestFailed`.
    package func translate(_ linear: UInt64) throws(KVMError) -> UInt64? {
        var translation = kvm_translation()
        translation.linear_address = linear
        try descriptor.request(CAISSON_KVM_TRANSLATE, &translation, "KVM_TRANSLATE")
        return translation.valid != 0 ? translation.physical_address : nil
    }

    /// Makes KVM forget what it holds of the guest's page tables: loading CR4.PGE changed does.
    /// - Throws: `requestFailed`.
    package func flushTranslations() throws(KVMError) {
        let registers = try specialRegisters()
        var changed = registers
        changed.cr4 ^= 1 << 7
        try setSpecialRegisters(changed)
        try setSpecialRegisters(registers)
    }

    /// Tells a guest that reads the paravirtual clock that it was stopped, so that its watchdogs do not complain. False
    /// where the guest does not read it.
    @discardableResult
    package func tellPause() -> Bool {
        caisson_ioctl_value(descriptor.rawValue, CAISSON_KVM_KVMCLOCK_CTRL.number, 0) == 0
    }

    // MARK: Local APIC

    /// - Throws: `requestFailed`.
    package func localAPIC() throws(KVMError) -> LocalAPICState {
        LocalAPICState(try descriptor.receive(CAISSON_KVM_GET_LAPIC, kvm_lapic_state(), "KVM_GET_LAPIC"))
    }

    /// - Throws: `requestFailed`.
    package func setLocalAPIC(_ state: LocalAPICState) throws(KVMError) {
        try descriptor.send(CAISSON_KVM_SET_LAPIC, state.registers, "KVM_SET_LAPIC")
    }
}
