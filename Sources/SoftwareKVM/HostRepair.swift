package import GuestMemory

/// All that a vCPU's loop does about a host without hardware virtualization: the one place that repairs.
///
/// A loop hands it four kinds of exits and otherwise goes on as ever:
/// - `KVM_EXIT_X86_WRMSR` and `KVM_EXIT_X86_RDMSR`, after a filter was set as `HostQuirks.interceptedMSRs` says;
/// - `KVM_EXIT_DEBUG`;
/// - `KVM_EXIT_INTERNAL_ERROR` with suberror `KVM_INTERNAL_ERROR_EMULATION`.
///
/// On a host without quirks no filter and no breakpoint is set, and none of these exits happens.
package struct HostRepair: ~Copyable, Sendable {
    package typealias MSRWrite = SystemCallRepair.MSRWrite

    package let quirks: HostQuirks
    private let memory: GuestMemory
    private var systemCalls: SystemCallRepair
    private var instructions: InstructionRepair

    package init(quirks: HostQuirks, memory: GuestMemory) {
        self.quirks = quirks
        self.memory = memory
        systemCalls = SystemCallRepair(quirks: quirks)
        instructions = InstructionRepair(isNeeded: quirks.needRepair)
    }

    package var statistics: (systemCalls: SystemCallRepair.Statistics, instructions: InstructionRepair.Statistics) {
        (systemCalls.statistics, instructions.statistics)
    }

    /// Whether exits to repair are frequent from now on, each of which looks at the registers: the guest has set up SYSCALL.
    package var needsRegistersOften: Bool { systemCalls.guestRegisters.lstar != nil }

    /// What the guest wrote to the SYSCALL registers: a part of the machine's state.
    package var systemCallRegisters: SystemCallRepair.Registers { systemCalls.guestRegisters }

    package mutating func restore<CPU: RepairableCPU & ~Copyable>(
        _ registers: SystemCallRepair.Registers, on cpu: borrowing CPU
    ) throws(CPU.Failure) {
        try systemCalls.restore(registers, on: cpu, memory)
    }

    /// The guest wrote an MSR. On `done` the loop clears `kvm_run.msr.error`, otherwise it sets it.
    package mutating func writeMSR<CPU: RepairableCPU & ~Copyable>(
        _ index: UInt32, _ value: UInt64, on cpu: borrowing CPU
    ) throws(CPU.Failure) -> MSRWrite {
        try systemCalls.writeMSR(index, value, on: cpu, memory)
    }

    /// The guest reads an MSR: its value, or nil if it is none of the intercepted ones.
    package func readMSR(_ index: UInt32) -> UInt64? { systemCalls.readMSR(index) }

    /// The vCPU stopped at a breakpoint or after a step. False if nothing here asked for it.
    package mutating func debugExit<CPU: RepairableCPU & ~Copyable>(on cpu: borrowing CPU) throws(CPU.Failure) -> Bool {
        try systemCalls.debugExit(on: cpu, memory)
    }

    /// KVM's emulator gave up. Nil when the instruction was completed, otherwise why the machine must end.
    package mutating func emulationFailed<CPU: RepairableCPU & ~Copyable>(
        on cpu: borrowing CPU, reported: InstructionBytes = InstructionBytes()
    ) throws(CPU.Failure) -> Diagnosis? {
        try instructions.emulationFailed(on: cpu, memory, reported: reported)
    }

    /// Looks whether the guest moved its exception handlers. Costs two page walks: call it on exits that are rare
    /// anyway, such as a kick or a signal.
    package mutating func refresh<CPU: RepairableCPU & ~Copyable>(on cpu: borrowing CPU) throws(CPU.Failure) {
        try systemCalls.refresh(on: cpu, memory)
    }
}
