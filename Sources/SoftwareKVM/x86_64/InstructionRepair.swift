import CLinux
package import GuestMemory

/// How an attempt to complete an instruction ended.
enum Completion: Equatable {
    /// Done; RIP is behind it.
    case completed
    /// It raises an exception. RIP points at it for a fault, behind it for a trap.
    case exception(vector: UInt8, errorCode: UInt32?)
    /// It raises #PF at `address`.
    case pageFault(address: UInt64, errorCode: UInt32)
    /// It delivers an interrupt by software; RIP is behind it.
    case softwareInterrupt(vector: UInt8)
    case impossible(Diagnosis.Reason)
}

/// Completes, in user space, the instructions that KVM's emulator does not know
/// (`KVM_EXIT_INTERNAL_ERROR`, suberror `KVM_INTERNAL_ERROR_EMULATION`).
package struct InstructionRepair: Sendable {
    package struct Statistics: Equatable, Sendable {
        package var completed: UInt64 = 0
        package var exceptions: UInt64 = 0
    }

    package private(set) var statistics = Statistics()
    private var progress = ProgressWatch()

    package init() {}

    /// Completes the instruction that the vCPU stopped at.
    ///
    /// - Parameter reported: the bytes in `kvm_run`, if there are any.
    /// - Returns: nil when the vCPU can go on, otherwise why it cannot.
    package mutating func emulationFailed<CPU: RepairableCPU & ~Copyable>(
        on cpu: borrowing CPU, _ memory: GuestMemory, reported: InstructionBytes = InstructionBytes()
    ) throws(CPU.Failure) -> Diagnosis? {
        var registers = try cpu.registers()
        let special = try cpu.specialRegisters()
        let space = LinearMemory(memory, PageWalk(special, rflags: registers.rflags))
        if let count = progress.stalled(at: registers) {
            return Diagnosis(.noProgress(count: count), reported, registers, special, in: space)
        }
        let access: Access = special.ss.dpl & 3 == 3 ? [.user, .fetch] : .fetch
        let bytes: InstructionBytes
        if let fetched = try? InstructionBytes(at: special.cs.base &+ registers.rip, access, in: space) {
            bytes = fetched
        } else if reported.count > 0 {
            bytes = reported
        } else {
            return Diagnosis(.unreadableInstruction, reported, registers, special, in: space)
        }
        switch complete(bytes, &registers, special) {
        case .completed:
            statistics.completed &+= 1
            try cpu.setRegisters(registers)
        case .exception(let vector, let errorCode):
            statistics.exceptions &+= 1
            try cpu.setRegisters(registers)
            try inject(vector, errorCode, on: cpu)
        case .pageFault(let address, let errorCode):
            statistics.exceptions &+= 1
            var special = special
            special.cr2 = address
            try cpu.setSpecialRegisters(special)
            try inject(Vector.pageFault, errorCode, on: cpu)
        case .softwareInterrupt(let vector):
            statistics.completed &+= 1
            try cpu.setRegisters(registers)
            var events = try cpu.events()
            events.interrupt.injected = 1
            events.interrupt.nr = vector
            events.interrupt.soft = 1
            try cpu.setEvents(events)
        case .impossible(let reason):
            return Diagnosis(reason, bytes, registers, special, in: space)
        }
        return nil
    }

    private func complete(
        _ code: InstructionBytes, _ registers: inout kvm_regs, _ special: kvm_sregs
    ) -> Completion {
        switch (code[0], code[1]) {
        case (0xcc, _):
            registers.rip &+= 1
            return .exception(vector: Vector.breakpoint, errorCode: nil)
        case (0xcd, let vector) where code.count >= 2:
            registers.rip &+= 2
            return .softwareInterrupt(vector: vector)
        case (0x9b, _):  // fwait
            registers.rip &+= 1
            return .completed
        case (0x0f, 0x01) where code[2] == 0xca:  // clac
            registers.rip &+= 3
            registers.rflags &= ~RFLAGS.alignmentCheck
            return .completed
        case (0x0f, 0x01) where code[2] == 0xcb:  // stac
            registers.rip &+= 3
            registers.rflags |= RFLAGS.alignmentCheck
            return .completed
        default:
            return .impossible(.unsupportedInstruction)
        }
    }

    private func inject<CPU: RepairableCPU & ~Copyable>(
        _ vector: UInt8, _ errorCode: UInt32?, on cpu: borrowing CPU
    ) throws(CPU.Failure) {
        var events = try cpu.events()
        events.exception.injected = 1
        events.exception.pending = 0
        events.exception.nr = vector
        events.exception.has_error_code = errorCode == nil ? 0 : 1
        events.exception.error_code = errorCode ?? 0
        events.exception_has_payload = 0
        try cpu.setEvents(events)
    }
}
