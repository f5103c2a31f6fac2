import CLinux
import KVM
import LinuxBoot

/// Puts a vCPU where its guest starts.
enum ProcessorState {
    private static let miscellaneousEnable: UInt32 = 0x1a0
    private static let defaultMemoryType: UInt32 = 0x2ff

    /// LVT entries: delivery mode 7 is ExtINT, 4 is NMI (Intel SDM 3, 11.5.1).
    private static let externalInterrupt: UInt32 = 0x700
    private static let nonMaskableInterrupt: UInt32 = 0x400

    /// What firmware would have set up.
    /// - Parameter isFirst: whether this processor starts the others.
    static func initialize(_ vcpu: borrowing VCPU, isFirst: Bool) throws(KVMError) {
        // Fast strings; all memory write-back unless page tables say otherwise.
        try vcpu.setMSRs([
            ModelSpecificRegister(miscellaneousEnable, 1), ModelSpecificRegister(defaultMemoryType, 0xc06),
        ])
        var floatingPoint = try vcpu.floatingPoint()
        // As FNINIT and power-on leave them.
        floatingPoint.fcw = 0x37f
        floatingPoint.mxcsr = 0x1f80
        try vcpu.setFloatingPoint(floatingPoint)
        guard isFirst else { return }
        // Virtual wire mode: the 8259s' interrupts pass through the first local APIC.
        var apic = try vcpu.localAPIC()
        apic[.localInterrupt0] = externalInterrupt
        apic[.localInterrupt1] = nonMaskableInterrupt
        try vcpu.setLocalAPIC(apic)
    }

    /// Where the first processor starts.
    static func start(_ vcpu: borrowing VCPU, at state: BootState) throws(KVMError) {
        var special = try vcpu.specialRegisters()
        special.cs = segment(state.code)
        let data = segment(state.data)
        special.ds = data
        special.es = data
        special.fs = data
        special.gs = data
        special.ss = data
        special.tr = segment(state.task)
        special.ldt = segment(state.localTable)
        special.gdt = table(state.gdt)
        special.idt = table(state.idt)
        special.cr0 = state.cr0
        special.cr3 = state.cr3
        special.cr4 = state.cr4
        special.efer = state.efer
        try vcpu.setSpecialRegisters(special)

        var registers = kvm_regs()
        registers.rip = state.rip
        registers.rax = state.rax
        registers.rbx = state.rbx
        registers.rsi = state.rsi
        registers.rsp = state.rsp
        registers.rflags = state.rflags
        try vcpu.setRegisters(registers)
    }

    private static func segment(_ segment: Segment) -> kvm_segment {
        kvm_segment(
            base: segment.base, limit: segment.limit, selector: segment.selector, type: segment.type,
            present: segment.isPresent ? 1 : 0, dpl: 0, db: segment.isBig ? 1 : 0, s: segment.isCodeOrData ? 1 : 0,
            l: segment.isLong ? 1 : 0, g: segment.isPageGranular ? 1 : 0, avl: 0,
            unusable: segment.isUnusable ? 1 : 0, padding: 0)
    }

    private static func table(_ table: BootState.DescriptorTable) -> kvm_dtable {
        kvm_dtable(base: table.base, limit: table.limit, padding: (0, 0, 0))
    }
}
