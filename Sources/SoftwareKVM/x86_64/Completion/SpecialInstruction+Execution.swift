import CLinux

/// An instruction at hand and where it runs.
struct CompletionSite {
    let instruction: Instruction
    let bytes: InstructionBytes
    let special: kvm_sregs
    let space: LinearMemory

    /// Implicit and explicit accesses to data are the guest's privilege level's.
    var access: Access { special.privilegeLevel == 3 ? .user : .read }

    func linearAddress(_ registers: kvm_regs) -> UInt64 {
        // Only EVEX has scaled displacements, and no special instruction is one.
        instruction.memory?.linearAddress(
            registers, special, end: registers.rip &+ UInt64(instruction.length), size: instruction.addressSize) ?? 0
    }
}

extension SpecialInstruction {
    /// Carries out all but `stateArea`, which runs on the host. RIP moves on unless there is a fault.
    func execute<CPU: RepairableCPU & ~Copyable>(
        _ site: CompletionSite, _ registers: inout kvm_regs, on cpu: borrowing CPU
    ) throws(CPU.Failure) -> Completion {
        let next = registers.rip &+ UInt64(site.instruction.length)
        do throws(Interruption<CPU.Failure>) {
            let result = try perform(site, &registers, on: cpu)
            registers.rip = next
            return result
        } catch {
            switch error {
            case .fault(let completion): return completion
            case .failure(let failure): throw failure
            }
        }
    }

    /// What keeps an instruction from being done.
    private enum Interruption<Failure: Error>: Error {
        case fault(Completion)
        case failure(Failure)
    }

    private func perform<CPU: RepairableCPU & ~Copyable>(
        _ site: CompletionSite, _ registers: inout kvm_regs, on cpu: borrowing CPU
    ) throws(Interruption<CPU.Failure>) -> Completion {
        switch self {
        case .breakpoint: return .exception(vector: Vector.breakpoint, errorCode: nil)
        case .softwareInterrupt(let vector): return .softwareInterrupt(vector: vector)
        case .waitForCoprocessor:
            let waits = CR0.monitorCoprocessor | CR0.taskSwitched
            if site.special.cr0 & waits == waits {
                throw .fault(.exception(vector: Vector.deviceNotAvailable, errorCode: nil))
            }
        case .setAlignmentCheck(let isSet):
            registers.rflags = registers.rflags & ~RFLAGS.alignmentCheck | (isSet ? RFLAGS.alignmentCheck : 0)
        case .noOperation: break
        case .timedPause: registers.rflags &= ~RFLAGS.arithmetic
        case .cacheLine: _ = try load(1, site, registers, CPU.Failure.self)
        case .compareExchange16: try compareExchange(site, &registers, CPU.Failure.self)
        case .readExtendedControl:
            let value = try extendedControl(site, registers, on: cpu)
            registers.rax = value & 0xffff_ffff
            registers.rdx = value >> 32
        case .readTimestampAndProcessor:
            let timestamp = try ask { () throws(CPU.Failure) in try cpu.readMSR(MSR.timestampCounter) }
            registers.rax = timestamp & 0xffff_ffff
            registers.rdx = timestamp >> 32
            registers.rcx = try ask { () throws(CPU.Failure) in try cpu.readMSR(MSR.timestampAuxiliary) } & 0xffff_ffff
        case .invalidateTranslations: try invalidate(site, registers, on: cpu)
        case .loadAccessRights:
            let value = try inspect(site, registers, CPU.Failure.self)?.accessRights
            load(value, site.instruction, &registers)
        case .loadLimit:
            let value = try inspect(site, registers, CPU.Failure.self)?.limit
            load(value, site.instruction, &registers)
        case .verify(let isWrite):
            let isAllowed = try inspect(site, registers, CPU.Failure.self)?.allows(isWrite: isWrite) ?? false
            registers.setZeroFlag(isAllowed)
        case .stateArea: throw .fault(.impossible(.unsupportedInstruction))
        case .undefined: throw .fault(.exception(vector: Vector.invalidOpcode, errorCode: nil))
        }
        return .completed
    }

    private func ask<Value, Failure: Error>(
        _ request: () throws(Failure) -> Value
    ) throws(Interruption<Failure>) -> Value {
        do { return try request() } catch { throw .failure(error) }
    }

    /// Reads up to 16 bytes of the memory operand.
    private func load<Failure: Error>(
        _ count: Int, _ site: CompletionSite, _ registers: kvm_regs, _: Failure.Type
    ) throws(Interruption<Failure>) -> (UInt64, UInt64) {
        var words: (UInt64, UInt64) = (0, 0)
        do {
            // SAFETY: `words` has 16 bytes.
            unsafe try site.space.read(site.linearAddress(registers), count: count, site.access, into: &words)
        } catch { throw .fault(Completion(error)) }
        return words
    }

    /// CMPXCHG16B. Other vCPUs see it whole even without a LOCK prefix, which is allowed.
    private func compareExchange<Failure: Error>(
        _ site: CompletionSite, _ registers: inout kvm_regs, _: Failure.Type
    ) throws(Interruption<Failure>) {
        let linear = site.linearAddress(registers)
        guard linear % 16 == 0 else {
            throw .fault(.exception(vector: Vector.generalProtection, errorCode: 0))
        }
        var expected = (registers.rax, registers.rdx)
        let desired = (registers.rbx, registers.rcx)
        let result: Int32
        do {
            let place = unsafe try site.space.pointer(linear, count: 16, site.access.union(.write))
            // SAFETY: `place` has 16 bytes, aligned as guest addresses are; the tuples have two words each.
            result = unsafe withUnsafeMutableBytes(of: &expected) { old in
                unsafe withUnsafeBytes(of: desired) { new in
                    unsafe caisson_compare_exchange_16(
                        place, old.baseAddress?.assumingMemoryBound(to: UInt64.self),
                        new.baseAddress?.assumingMemoryBound(to: UInt64.self))
                }
            }
        } catch { throw .fault(Completion(error)) }
        guard result >= 0 else { throw .fault(.impossible(.unsupportedInstruction)) }
        registers.setZeroFlag(result == 1)
        if result == 0 { (registers.rax, registers.rdx) = expected }
    }

    /// XGETBV: XCR0, or with 1 in ECX its components that are not in their initial state.
    private func extendedControl<CPU: RepairableCPU & ~Copyable>(
        _ site: CompletionSite, _ registers: kvm_regs, on cpu: borrowing CPU
    ) throws(Interruption<CPU.Failure>) -> UInt64 {
        guard site.special.cr4 & CR4.xsave != 0 else {
            throw .fault(.exception(vector: Vector.invalidOpcode, errorCode: nil))
        }
        let enabled = try ask { () throws(CPU.Failure) in try cpu.extendedControlRegisters() }.enabledComponents
        switch registers.rcx & 0xffff_ffff {
        case 0: return enabled
        case 1:
            // SAFETY: the state has 4096 bytes, and its header, with XSTATE_BV first, begins at byte 512.
            let state = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 64)
            defer { unsafe state.deallocate() }
            try ask { () throws(CPU.Failure) in unsafe try cpu.getExtendedState(state) }
            return unsafe enabled & state.load(fromByteOffset: 512, as: UInt64.self)
        default: throw .fault(.exception(vector: Vector.generalProtection, errorCode: 0))
        }
    }

    /// INVPCID: whatever it names, all translations go.
    private func invalidate<CPU: RepairableCPU & ~Copyable>(
        _ site: CompletionSite, _ registers: kvm_regs, on cpu: borrowing CPU
    ) throws(Interruption<CPU.Failure>) {
        let descriptor = try load(16, site, registers, CPU.Failure.self)
        let type = registers[site.instruction.register]
        guard type <= 3, type == 2 || descriptor.0 >> 12 == 0 else {
            throw .fault(.exception(vector: Vector.generalProtection, errorCode: 0))
        }
        try ask { () throws(CPU.Failure) in try cpu.flushTranslations() }
    }

    /// The segment that the operand, a register or a word in memory, selects.
    private func inspect<Failure: Error>(
        _ site: CompletionSite, _ registers: kvm_regs, _: Failure.Type
    ) throws(Interruption<Failure>) -> SegmentInspection? {
        let selector =
            site.instruction.memory == nil
            ? registers[site.instruction.registerOrMemory] : try load(2, site, registers, Failure.self).0
        do {
            return try SegmentInspection(UInt16(truncatingIfNeeded: selector), site.special, site.space)
        } catch { throw .fault(Completion(error)) }
    }

    /// Loads what was found into the destination and sets ZF, or clears it.
    private func load(_ value: UInt64?, _ instruction: Instruction, _ registers: inout kvm_regs) {
        registers.setZeroFlag(value != nil)
        guard let value else { return }
        registers.write(value, to: instruction)
    }
}

extension kvm_regs {
    fileprivate mutating func setZeroFlag(_ isSet: Bool) {
        rflags = rflags & ~RFLAGS.zero | (isSet ? RFLAGS.zero : 0)
    }
}

extension kvm_xcrs {
    /// XCR0.
    var enabledComponents: UInt64 { nr_xcrs > 0 && xcrs.0.xcr == 0 ? xcrs.0.value : 1 }
}
