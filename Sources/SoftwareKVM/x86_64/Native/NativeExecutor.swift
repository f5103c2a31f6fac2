import CLinux

/// Runs instructions of one vCPU on its engine, and moves its extended state there and back as seldom as it can be.
struct NativeExecutor: ~Copyable {
    /// How many instructions behind a completed one are executed before the guest gets its interrupts again.
    static let followingLimit = 512

    private let isNeeded: Bool
    /// Made for the first instruction: most small guests have none.
    private var made: NativeEngine?
    /// Guest XCR0 as it was last seen. Guests do not take components away again.
    private var enabledComponents: UInt64 = 1
    /// Whether the engine holds the vCPU's extended state, and whether it has changed there.
    private var stateIsLoaded = false
    private var stateIsChanged = false

    init(isNeeded: Bool) { self.isNeeded = isNeeded }

    private mutating func engine() -> NativeEngine? {
        if isNeeded, made == nil { made = NativeEngine() }
        return made
    }

    /// Executes an instruction and, as vector code comes in runs, those behind it that can be executed alike.
    /// - Returns: how the first ended, and the number of those that followed.
    mutating func run<CPU: RepairableCPU & ~Copyable>(
        _ site: CompletionSite, _ kind: NativeClass, _ registers: inout kvm_regs, on cpu: borrowing CPU
    ) throws(CPU.Failure) -> (completion: Completion, followed: Int) {
        guard let engine = engine(), engine.begin() else { return (.impossible(.unsupportedInstruction), 0) }
        defer { engine.end() }
        stateIsLoaded = false
        stateIsChanged = false
        let completion = try execute(site, kind, &registers, engine, on: cpu)
        var followed = 0
        if completion == .completed, kind != .general {
            followed = try follow(&registers, site.special, site.space, engine, on: cpu)
        }
        if stateIsChanged { unsafe try cpu.setExtendedState(engine.extendedState) }
        return (completion, followed)
    }

    /// Executes XSAVE, XRSTOR or a relative, as `opcode` and `group`, on the components that the guest has enabled.
    mutating func transferState<CPU: RepairableCPU & ~Copyable>(
        _ site: CompletionSite, opcode: UInt8, group: UInt8, _ registers: inout kvm_regs, on cpu: borrowing CPU
    ) throws(CPU.Failure) -> Completion {
        guard site.special.cr4 & CR4.xsave != 0 else {
            return .exception(vector: Vector.invalidOpcode, errorCode: nil)
        }
        guard site.special.cr0 & CR0.taskSwitched == 0 else {
            return .exception(vector: Vector.deviceNotAvailable, errorCode: nil)
        }
        guard let engine = engine(), engine.begin() else { return .impossible(.unsupportedInstruction) }
        defer { engine.end() }
        // SAFETY: the state has the 4096 bytes that the vCPU's has.
        unsafe try cpu.getExtendedState(engine.extendedState)
        let enabled = try cpu.extendedControlRegisters().enabledComponents
        let requested = (registers.rax, registers.rdx)
        // Others than the engine's are the host thread's own, such as PKRU, which says what it may touch.
        let carried = enabled & engine.components
        registers.rax &= carried & 0xffff_ffff
        registers.rdx &= carried >> 32
        var job = NativeEngine.Job(site, components: engine.components)
        job.opcode = opcode
        job.group = group
        job.span = NativeEngine.saveAreaSpan
        let completion = engine.execute(job, &registers, site.special, site.space)
        (registers.rax, registers.rdx) = requested
        if completion == .completed, opcode == 0xae, group == 5 {
            unsafe try cpu.setExtendedState(engine.extendedState)
        }
        return completion
    }

    private mutating func execute<CPU: RepairableCPU & ~Copyable>(
        _ site: CompletionSite, _ kind: NativeClass, _ registers: inout kvm_regs, _ engine: NativeEngine,
        on cpu: borrowing CPU
    ) throws(CPU.Failure) -> Completion {
        if kind.requiredComponents & ~enabledComponents != 0, site.special.cr4 & CR4.xsave != 0 {
            enabledComponents = try cpu.extendedControlRegisters().enabledComponents
        }
        if let refusal = kind.refusal(site.special, enabledComponents) { return refusal }
        let components = kind.components & engine.components
        if components != 0, !stateIsLoaded {
            // SAFETY: the state has the 4096 bytes that the vCPU's has.
            unsafe try cpu.getExtendedState(engine.extendedState)
            stateIsLoaded = true
        }
        let place = registers.rip
        let completion = engine.execute(
            NativeEngine.Job(site, components: components), &registers, site.special, site.space)
        if completion == .completed, components != 0 {
            stateIsChanged = true
            engine.hidePlaces(instruction: place, operand: site.linearAddress(registers))
        }
        return completion
    }

    private mutating func follow<CPU: RepairableCPU & ~Copyable>(
        _ registers: inout kvm_regs, _ special: kvm_sregs, _ space: LinearMemory, _ engine: NativeEngine,
        on cpu: borrowing CPU
    ) throws(CPU.Failure) -> Int {
        // A debugger in the guest wants to see each.
        guard registers.rflags & RFLAGS.trap == 0 else { return 0 }
        for count in 0..<Self.followingLimit {
            guard let bytes = try? InstructionBytes(atInstructionPointer: registers.rip, special, in: space),
                let instruction = try? InstructionDecoder.decode(bytes, special.decoderMode)
            else { return count }
            let site = CompletionSite(instruction: instruction, bytes: bytes, special: special, space: space)
            var kind = NativeClass(instruction)
            if kind == nil {
                guard let plain = PlainInstruction(instruction) else { return count }
                if let completion = plain.execute(site, &registers) {
                    guard completion == .completed else { return count }
                    continue
                }
                kind = .general
            }
            // What faults is left to KVM, which delivers the fault or comes back with the instruction.
            guard let kind, try execute(site, kind, &registers, engine, on: cpu) == .completed else { return count }
        }
        return Self.followingLimit
    }
}

extension NativeEngine.Job {
    init(_ site: CompletionSite, components: UInt64) {
        self.init(instruction: site.instruction, bytes: site.bytes, components: components)
    }
}

extension NativeClass {
    /// The exception that the instruction raises because the guest has not enabled its kind of state
    /// (Intel SDM 3, 2.5 and 13.1).
    fileprivate func refusal(_ special: kvm_sregs, _ enabledComponents: UInt64) -> Completion? {
        let invalid = Completion.exception(vector: Vector.invalidOpcode, errorCode: nil)
        let unavailable = Completion.exception(vector: Vector.deviceNotAvailable, errorCode: nil)
        let isSwitched = special.cr0 & CR0.taskSwitched != 0
        let isEmulated = special.cr0 & CR0.emulation != 0
        switch self {
        case .general: return nil
        case .x87: return isSwitched || isEmulated ? unavailable : nil
        case .mmx: if isEmulated { return invalid }
        case .sse: if isEmulated || special.cr4 & CR4.fxsave == 0 { return invalid }
        case .avx, .avx512:
            guard special.cr4 & CR4.xsave != 0, requiredComponents & ~enabledComponents == 0 else { return invalid }
        }
        return isSwitched ? unavailable : nil
    }
}
