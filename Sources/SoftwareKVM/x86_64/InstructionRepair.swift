import CLinux
import GuestMemory

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
package struct InstructionRepair: ~Copyable {
    package struct Statistics: Equatable, Sendable {
        /// Instructions that KVM gave up on and that were completed.
        package var completed: UInt64 = 0
        /// Those that raised an exception in the guest.
        package var exceptions: UInt64 = 0
        /// Instructions behind completed ones that were executed on the way.
        package var followed: UInt64 = 0
    }

    private(set) var statistics = Statistics()
    private var progress = ProgressWatch()
    private var executor: NativeExecutor
    private let isNeeded: Bool

    /// - Parameter isNeeded: whether the host was found to need repairs. If not, nothing is allocated, and instructions
    ///   that only the host's processor could execute are diagnosed.
    init(isNeeded: Bool) {
        executor = NativeExecutor(isNeeded: isNeeded)
        self.isNeeded = isNeeded
    }

    /// Completes the instruction that the vCPU stopped at.
    ///
    /// - Parameter reported: the bytes in `kvm_run`, if there are any.
    /// - Returns: nil when the vCPU can go on, otherwise why it cannot.
    mutating func emulationFailed<CPU: RepairableCPU & ~Copyable>(
        on cpu: borrowing CPU, _ memory: GuestMemory, reported: InstructionBytes = InstructionBytes()
    ) throws(CPU.Failure) -> Diagnosis? {
        var registers = try cpu.registers()
        let special = try cpu.specialRegisters()
        let space = LinearMemory(memory, PageWalk(special, rflags: registers.rflags))
        if let count = progress.stalled(at: registers) {
            return Diagnosis(
                .noProgress(count: count), reported, registers, special, in: space, hostNeedsRepair: isNeeded)
        }
        let bytes: InstructionBytes
        do {
            bytes = try InstructionBytes(
                atInstructionPointer: registers.rip, special, in: space)
        } catch {
            guard reported.count > 0 else {
                return Diagnosis(
                    .unreadableInstruction, reported, registers, special, in: space, hostNeedsRepair: isNeeded)
            }
            bytes = reported
        }
        let completion = try complete(bytes, &registers, special, space, on: cpu)
        if case .impossible(let reason) = completion {
            return Diagnosis(reason, bytes, try cpu.registers(), special, in: space, hostNeedsRepair: isNeeded)
        }
        try deliver(completion, registers, special, on: cpu)
        return nil
    }

    private mutating func complete<CPU: RepairableCPU & ~Copyable>(
        _ bytes: InstructionBytes, _ registers: inout kvm_regs, _ special: kvm_sregs, _ space: LinearMemory,
        on cpu: borrowing CPU
    ) throws(CPU.Failure) -> Completion {
        let instruction: Instruction
        do {
            instruction = try InstructionDecoder.decode(bytes, special.decoderMode)
        } catch {
            return error == .truncated
                ? missingBytes(bytes, registers.rip, special, space) : .impossible(.unsupportedInstruction)
        }
        let site = CompletionSite(instruction: instruction, bytes: bytes, special: special, space: space)
        switch SpecialInstruction(instruction) {
        case .stateArea(let opcode, let group):
            return try executor.transferState(site, opcode: opcode, group: group, &registers, on: cpu)
        case .some(let known): return try known.execute(site, &registers, on: cpu)
        case nil:
            guard let kind = NativeClass(instruction) else { return .impossible(.unsupportedInstruction) }
            let (completion, followed) = try executor.run(site, kind, &registers, on: cpu)
            statistics.followed &+= UInt64(followed)
            return completion
        }
    }

    /// The instruction goes on on a page that cannot be fetched from.
    private func missingBytes(
        _ bytes: InstructionBytes, _ rip: UInt64, _ special: kvm_sregs, _ space: LinearMemory
    ) -> Completion {
        do {
            _ = try InstructionBytes(atInstructionPointer: rip &+ UInt64(bytes.count), special, in: space)
            return .impossible(.unreadableInstruction)
        } catch {
            return Completion(error)
        }
    }

    private mutating func deliver<CPU: RepairableCPU & ~Copyable>(
        _ completion: Completion, _ registers: kvm_regs, _ special: kvm_sregs, on cpu: borrowing CPU
    ) throws(CPU.Failure) {
        statistics.completed &+= 1
        try cpu.setRegisters(registers)
        switch completion {
        case .completed, .impossible: break
        case .exception(let vector, let errorCode):
            statistics.exceptions &+= 1
            try inject(vector, errorCode, on: cpu)
        case .pageFault(let address, let errorCode):
            statistics.exceptions &+= 1
            var special = special
            special.cr2 = address
            try cpu.setSpecialRegisters(special)
            try inject(Vector.pageFault, errorCode, on: cpu)
        case .softwareInterrupt(let vector):
            var events = try cpu.events()
            events.interrupt.injected = 1
            events.interrupt.nr = vector
            events.interrupt.soft = 1
            try cpu.setEvents(events)
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

extension InstructionBytes {
    /// What can be fetched at RIP.
    init(
        atInstructionPointer rip: UInt64, _ special: kvm_sregs, in space: LinearMemory
    ) throws(TranslationError) {
        let linear = special.isIn64BitMode ? rip : (special.cs.base &+ rip) & 0xffff_ffff
        try self.init(at: linear, special.privilegeLevel == 3 ? [.user, .fetch] : .fetch, in: space)
    }
}
