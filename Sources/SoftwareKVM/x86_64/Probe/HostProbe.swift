import CLinux
package import GuestMemory

/// How a run of the probe's guest ended.
package enum ProbeExit: Equatable, Sendable {
    /// The guest wrote to a port.
    case output(port: UInt16)
    /// `KVM_EXIT_INTERNAL_ERROR` with suberror `KVM_INTERNAL_ERROR_EMULATION`.
    case emulationFailed
    /// Any other exit, by its number, or `KVM_EXIT_INTR` when the run took too long and was ended.
    case other(UInt32)
}

/// A vCPU that the probe can run.
package protocol ProbeCPU: RepairableCPU, ~Copyable {
    /// Runs the guest until it exits. A guest that neither exits nor halts within a second is interrupted.
    func runProbe() throws(Failure) -> ProbeExit
    /// Lets the kernel complete the port access that the last run ended with: `KVM_RUN` with `immediate_exit`.
    func completeExit() throws(Failure)
}

/// Finds a host's quirks by what its KVM does.
package struct HostProbe: Sendable {
    package let program: ProbeProgram
    let memory: GuestMemory

    /// - Parameter base: where the probe's `ProbeProgram.size` bytes of guest RAM are; they are zero afterwards.
    /// - Throws: `notInRAM`.
    package init(memory: GuestMemory, base: GuestAddress = 0x1_0000) throws(GuestMemoryError) {
        program = ProbeProgram(base: base)
        self.memory = memory
        try program.write(to: memory)
    }

    /// Tries SYSCALL and, if that shows a software KVM, what else user mode cannot do.
    ///
    /// One run of about 100 µs on hardware virtualization. Registers and special registers of the vCPU are as before
    /// afterwards; STAR, LSTAR and SFMASK are 0, as after reset.
    package func quirks<CPU: ProbeCPU & ~Copyable>(of cpu: borrowing CPU) throws(CPU.Failure) -> HostQuirks {
        let registers = try cpu.registers()
        let special = try cpu.specialRegisters()
        let found = try findQuirks(of: cpu, special)
        try cpu.writeSystemCallMSRs(star: 0, lstar: 0, sfmask: 0)
        try cpu.setSpecialRegisters(special)
        try cpu.setRegisters(registers)
        return found
    }

    /// Gives the probe's memory back to the machine, zeroed.
    package func clear() {
        // The range was in RAM when the program was written to it.
        try? memory.fill(GuestAddress(program.base), count: ProbeProgram.size, with: 0)
    }

    private func findQuirks<CPU: ProbeCPU & ~Copyable>(
        of cpu: borrowing CPU, _ special: kvm_sregs
    ) throws(CPU.Failure) -> HostQuirks {
        let systemCall: [UInt8] = [0x0f, 0x05]
        try cpu.writeSystemCallMSRs(
            star: program.star, lstar: program.systemCallTarget, sfmask: ProbeProgram.sfmask)
        var quirks: HostQuirks = []
        guard let direct = try observe(systemCall, isTimed: true, on: cpu, special) else { return quirks }
        if direct.isEmulated { quirks.insert(.kernelCodeIsEmulated) }
        guard direct.mark == Vector.pageFault, direct.frame.rip == program.systemCallTarget,
            direct.frame.privilegeLevel == 3
        else { return quirks }
        quirks.insert(.syscallKeepsPrivilegeLevel)

        if (try? cpu.writeMSR(MSR.lstar, SystemCallRepair.substituteTarget)) != nil,
            let substituted = try observe(systemCall, on: cpu, special),
            substituted.mark == Vector.generalProtection, substituted.errorCode == 0,
            substituted.frame.rip == SystemCallRepair.substituteTarget, substituted.frame.privilegeLevel == 3,
            substituted.registers.rcx == direct.registers.rcx, substituted.registers.r11 == direct.registers.r11
        {
            quirks.insert(.syscallCanArriveAsGeneralProtection)
        }
        if let interrupt = try observe([0xcd, ProbeProgram.userGate], on: cpu, special),
            interrupt.mark == Vector.invalidOpcode
        {
            quirks.insert(.userInterruptIsInvalidOpcode)
        }
        return quirks
    }

    /// What the common code of the program saw.
    private struct Observation {
        let registers: kvm_regs
        /// Which entry the guest came in by.
        var mark: UInt8 { UInt8(truncatingIfNeeded: registers.rbx) }
        var errorCode: UInt64 = 0
        var frame = ExceptionFrame()

        /// In a timed observation, whether no-operations took at least 100 cycles each, twice: hardware takes less than one, and the emulator
        /// about 1,000.
        var isEmulated: Bool {
            let cycles = min(registers.rdi & 0xffff_ffff, registers.rbp & 0xffff_ffff)
            return cycles >= ProbeProgram.timedInstructions * 100
        }
    }

    private func observe<CPU: ProbeCPU & ~Copyable>(
        _ code: [UInt8], isTimed: Bool = false, on cpu: borrowing CPU, _ special: kvm_sregs
    ) throws(CPU.Failure) -> Observation? {
        guard let start = try? program.startUser(code, isTimed: isTimed, in: memory, special) else { return nil }
        try cpu.setSpecialRegisters(start.special)
        try cpu.setRegisters(start.registers)
        guard try cpu.runProbe() == .output(port: ProbeProgram.port) else { return nil }
        try cpu.completeExit()
        let registers = try cpu.registers()
        var observation = Observation(registers: registers)
        // SYSCALL pushes nothing.
        guard observation.mark != ProbeProgram.systemCallMark else { return observation }
        let space = LinearMemory(memory, PageWalk(start.special))
        var stack = registers.rsp
        if observation.mark == Vector.pageFault || observation.mark == Vector.generalProtection {
            guard let errorCode = try? space.load64(stack) else { return nil }
            observation.errorCode = errorCode
            stack &+= 8
        }
        guard let frame = try? ExceptionFrame(at: stack, in: space) else { return nil }
        observation.frame = frame
        return observation
    }
}
