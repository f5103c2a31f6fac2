import CLinux
package import GuestMemory
package import KVM

/// Takes a vCPU from user mode into its guest's kernel where KVM does not: for SYSCALL, and for `int n`.
///
/// On such hosts SYSCALL loads RCX, R11, RIP and RFLAGS but leaves CPL 3, so the first fetch at its target faults. A
/// hardware breakpoint on the guest's handler of that fault shows it here, where the vCPU is put where SYSCALL would
/// have put it. Page faults would stop there as well, so where KVM lets LSTAR hold an address that is not canonical
/// for the guest, it does: SYSCALL then arrives as #GP, which is rare otherwise, and page faults cost nothing.
///
/// While this is at work the guest's own hardware breakpoints do not fire: KVM has one set of debug registers.
/// RFLAGS.TF in user mode works as usual.
package struct SystemCallRepair: Sendable {
    /// The MSRs whose accesses by the guest must come here: reads of LSTAR; writes of STAR, LSTAR and SFMASK.
    package static let interceptedMSRs = MSRFilter(
        base: MSR.star, count: 4, allowedReads: 0b1101, allowedWrites: 0b0100)

    /// Canonical with five levels of page tables only.
    package static let substituteTarget: UInt64 = 1 << 47

    package enum MSRWrite: Equatable, Sendable {
        case done
        /// The guest's WRMSR raises #GP.
        case refused
        case notIntercepted
    }

    package struct Statistics: Equatable, Sendable {
        package var systemCalls: UInt64 = 0
        package var softwareInterrupts: UInt64 = 0
        /// Faults that stopped at a breakpoint and were what they looked like.
        package var otherFaults: UInt64 = 0
        /// Of those, how many took a single step.
        package var singleSteps: UInt64 = 0
    }

    package private(set) var statistics = Statistics()

    private let mayUseSubstitute: Bool
    private var star: UInt64 = 0
    /// What the guest wrote; nil before it did.
    private var lstar: UInt64?
    private var sfmask: UInt64 = 0
    /// What KVM's LSTAR holds, and the vector that a fetch from there raises in user mode.
    private var trapTarget: UInt64 = 0
    private var trapVector = Vector.pageFault
    private var trapGate: InterruptGate?
    private var invalidOpcodeGate: InterruptGate?
    private var isStepping = false

    /// - Parameter quirks: what the host was found to do.
    package init(quirks: HostQuirks) {
        mayUseSubstitute = quirks.contains(.syscallCanArriveAsGeneralProtection)
    }

    /// Whether breakpoints are set. If not after LSTAR was written, the guest's interrupt table lacks a gate.
    package var isArmed: Bool { trapGate != nil }

    /// The guest's SYSCALL registers, as it wrote them. KVM's own LSTAR may differ: save these with a machine.
    package struct Registers: Equatable, Sendable {
        package var star: UInt64
        package var lstar: UInt64?
        package var sfmask: UInt64

        package init(star: UInt64, lstar: UInt64?, sfmask: UInt64) {
            self.star = star
            self.lstar = lstar
            self.sfmask = sfmask
        }
    }

    package var guestRegisters: Registers { Registers(star: star, lstar: lstar, sfmask: sfmask) }

    /// Continues with a restored vCPU, whose other state is set already.
    package mutating func restore<CPU: RepairableCPU & ~Copyable>(
        _ registers: Registers, on cpu: borrowing CPU, _ memory: GuestMemory
    ) throws(CPU.Failure) {
        star = registers.star
        sfmask = registers.sfmask
        try cpu.writeMSR(MSR.star, star)
        try cpu.writeMSR(MSR.sfmask, sfmask)
        if let lstar = registers.lstar { try setTarget(lstar, on: cpu, memory) }
    }

    /// The guest wrote an MSR (`KVM_EXIT_X86_WRMSR`).
    package mutating func writeMSR<CPU: RepairableCPU & ~Copyable>(
        _ index: UInt32, _ value: UInt64, on cpu: borrowing CPU, _ memory: GuestMemory
    ) throws(CPU.Failure) -> MSRWrite {
        switch index {
        case MSR.star:
            try cpu.writeMSR(index, value)
            star = value
        case MSR.sfmask:
            // The upper half is reserved (Intel SDM 3, 5.8.8).
            guard value <= UInt64(UInt32.max) else { return .refused }
            try cpu.writeMSR(index, value)
            sfmask = value
        case MSR.lstar:
            let unused = try cpu.specialRegisters().cr4 & CR4.fiveLevelPaging != 0 ? 7 : 16
            guard Int64(bitPattern: value) == Int64(bitPattern: value << unused) >> unused else { return .refused }
            try setTarget(value, on: cpu, memory)
        default: return .notIntercepted
        }
        return .done
    }

    /// The guest reads an MSR (`KVM_EXIT_X86_RDMSR`): its value, or nil if it is not one of those.
    package func readMSR(_ index: UInt32) -> UInt64? {
        switch index {
        case MSR.star: star
        case MSR.lstar: lstar ?? 0
        case MSR.sfmask: sfmask
        default: nil
        }
    }

    private mutating func setTarget<CPU: RepairableCPU & ~Copyable>(
        _ target: UInt64, on cpu: borrowing CPU, _ memory: GuestMemory
    ) throws(CPU.Failure) {
        lstar = target
        let hasFourLevels = try cpu.specialRegisters().cr4 & CR4.fiveLevelPaging == 0
        if mayUseSubstitute, hasFourLevels {
            trapTarget = Self.substituteTarget
            trapVector = Vector.generalProtection
        } else {
            trapTarget = target
            trapVector = Vector.pageFault
        }
        try cpu.writeMSR(MSR.lstar, trapTarget)
        try refresh(on: cpu, memory)
    }

    /// Looks at the guest's interrupt table again and moves the breakpoints if its gates changed. Call it now and then
    /// while the guest runs: a guest may load its table after it wrote LSTAR.
    package mutating func refresh<CPU: RepairableCPU & ~Copyable>(
        on cpu: borrowing CPU, _ memory: GuestMemory
    ) throws(CPU.Failure) {
        guard lstar != nil else { return }
        let special = try cpu.specialRegisters()
        let space = LinearMemory(memory, PageWalk(special))
        let trap = InterruptGate(trapVector, special, in: space)
        let invalidOpcode = InterruptGate(Vector.invalidOpcode, special, in: space)
        guard trap != trapGate || invalidOpcode != invalidOpcodeGate else { return }
        trapGate = trap
        invalidOpcodeGate = invalidOpcode
        if !isStepping { try arm(cpu) }
    }

    /// The vCPU stopped at a breakpoint or after a step (`KVM_EXIT_DEBUG`). False if neither is ours.
    package mutating func debugExit<CPU: RepairableCPU & ~Copyable>(
        on cpu: borrowing CPU, _ memory: GuestMemory
    ) throws(CPU.Failure) -> Bool {
        if isStepping {
            isStepping = false
            try arm(cpu)
            return true
        }
        var registers = try cpu.registers()
        let special = try cpu.specialRegisters()
        let space = LinearMemory(memory, PageWalk(special, rflags: registers.rflags))
        guard registers.rip == trapGate?.offset || registers.rip == invalidOpcodeGate?.offset else { return false }
        try refresh(on: cpu, memory)

        if registers.rip == trapGate?.offset, enterKernel(&registers, space) {
            statistics.systemCalls &+= 1
            try cpu.setRegisters(registers)
            let selector = UInt16(truncatingIfNeeded: star >> 32) & 0xfffc
            // The handler of an exception runs in the kernel's code segment with a null stack segment, and 64-bit code
            // cannot tell a null stack segment from a flat one. Loading both costs more than all else here.
            if special.cs.selector != selector { try loadSegments(selector, special, on: cpu) }
            return true
        }
        if registers.rip == invalidOpcodeGate?.offset, interrupt(&registers, special, space) {
            statistics.softwareInterrupts &+= 1
            try cpu.setRegisters(registers)
            return true
        }
        statistics.otherFaults &+= 1
        if HandlerPrologue.execute(&registers, in: space) > 0 {
            try cpu.setRegisters(registers)
        } else {
            statistics.singleSteps &+= 1
            isStepping = true
            var debug = kvm_guest_debug()
            debug.control = UInt32(KVM_GUESTDBG_ENABLE) | UInt32(KVM_GUESTDBG_SINGLESTEP)
            try cpu.setGuestDebug(debug)
        }
        return true
    }

    /// Puts the registers where SYSCALL would have (Intel SDM 2, SYSCALL), if the frame of the fault on the stack is
    /// that of a SYSCALL. RCX and R11 are right already.
    private func enterKernel(_ registers: inout kvm_regs, _ space: LinearMemory) -> Bool {
        guard let lstar, let errorCode = try? space.load64(registers.rsp),
            let frame = try? ExceptionFrame(at: registers.rsp &+ 8, in: space)
        else { return false }
        let isUserFetch = trapVector == Vector.pageFault ? errorCode & 1 << 2 != 0 : errorCode == 0
        // A program that jumps to the target by itself still has the flags that SYSCALL masks, such as IF. Taking it
        // for a system call would let it choose R11, and so the flags that the kernel restores.
        let keepsMaskedFlags = frame.rflags & sfmask & ~RFLAGS.resume != 0
        guard frame.rip == trapTarget, frame.privilegeLevel == 3, isUserFetch, !keepsMaskedFlags else { return false }
        registers.rip = lstar
        registers.rsp = frame.rsp
        registers.rflags = frame.rflags & ~(sfmask | RFLAGS.resume) | RFLAGS.reserved
        return true
    }

    private func loadSegments<CPU: RepairableCPU & ~Copyable>(
        _ selector: UInt16, _ special: kvm_sregs, on cpu: borrowing CPU
    ) throws(CPU.Failure) {
        var special = special
        special.cs = .flat(selector, isCode: true)
        special.ss = .flat(selector &+ 8, isCode: false)
        try cpu.setSpecialRegisters(special)
    }

    /// Delivers `int n` of user mode, which KVM turned into #UD, by the gate of `n`: the frame on the stack is the
    /// same but for the saved RIP. A gate that does not let user mode in makes it #GP (Intel SDM 3, 6.12.1.2). Leaves it a
    /// #UD where there is no such gate, or where it needs another stack.
    private func interrupt(_ registers: inout kvm_regs, _ special: kvm_sregs, _ space: LinearMemory) -> Bool {
        guard let frame = try? ExceptionFrame(at: registers.rsp, in: space), frame.privilegeLevel == 3,
            let code = try? InstructionBytes(at: frame.rip, [.user, .fetch], in: space)
        else { return false }
        let vector: UInt8
        let length: UInt64
        switch code[0] {
        case 0xcd where code.count >= 2: (vector, length) = (code[1], 2)
        case 0xcc: (vector, length) = (Vector.breakpoint, 1)
        default: return false
        }
        guard let wanted = InterruptGate(vector, special, in: space) else { return false }
        let isRefused = wanted.privilegeLevel < 3
        let found = isRefused ? InterruptGate(Vector.generalProtection, special, in: space) : wanted
        guard let gate = found, gate.selector & 0xfffc == special.cs.selector & 0xfffc,
            gate.stackTable == invalidOpcodeGate?.stackTable
        else { return false }
        if isRefused {
            // The error code says which gate; the instruction is the one to go on with.
            guard (try? space.store64(registers.rsp &- 8, UInt64(vector) << 3 | 1 << 1)) != nil else { return false }
            registers.rsp &-= 8
        } else {
            guard store(frame, behind: length, at: registers.rsp, space) else { return false }
        }
        registers.rip = gate.offset
        if !gate.disablesInterrupts { registers.rflags |= frame.rflags & RFLAGS.interrupt }
        return true
    }

    /// Saves what a trap saves instead of a fault: the instruction is over.
    private func store(
        _ frame: ExceptionFrame, behind length: UInt64, at stack: UInt64, _ space: LinearMemory
    ) -> Bool {
        (try? space.store64(stack, frame.rip &+ length)) != nil
            && (try? space.store64(stack &+ 16, frame.rflags & ~RFLAGS.resume)) != nil
    }

    /// Sets the breakpoints on the handlers' first instructions, or none.
    private func arm<CPU: RepairableCPU & ~Copyable>(_ cpu: borrowing CPU) throws(CPU.Failure) {
        var debug = kvm_guest_debug()
        // Bit 10 of DR7 is always set. The global bits G0 and G1 enable; execution, length 0, is encoded as 0.
        var enabled: UInt64 = 0
        if let trapGate {
            debug.arch.debugreg.0 = trapGate.offset
            enabled |= 1 << 1
        }
        if let invalidOpcodeGate {
            debug.arch.debugreg.1 = invalidOpcodeGate.offset
            enabled |= 1 << 3
        }
        if enabled != 0 {
            debug.arch.debugreg.7 = 1 << 10 | enabled
            debug.control = UInt32(KVM_GUESTDBG_ENABLE) | UInt32(KVM_GUESTDBG_USE_HW_BP)
        }
        try cpu.setGuestDebug(debug)
    }
}
