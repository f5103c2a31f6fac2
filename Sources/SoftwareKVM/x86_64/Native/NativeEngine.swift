import CLinux

/// Executes single instructions of a guest on the host's processor, on copies of the guest's registers and of the memory
/// that they touch. One belongs to each vCPU's repair, whose only owner may hand it from thread to thread.
///
/// What runs is confined: only what `NativeClass` lists gets here; its memory operand is redirected to a window of two
/// pages that are mapped with the guest's own rights and nothing around them; and every fault is caught and told.
@safe final class NativeEngine: @unchecked Sendable {
    /// How much behind its address an operand may reach, in bytes: the largest is FNSAVE's with 108.
    static let ordinarySpan = 128
    /// XSAVE's area, with all components that the engine carries.
    static let saveAreaSpan = 2752

    let handle: OpaquePointer
    /// What the window held before the instruction.
    let before: UnsafeMutableRawPointer
    /// The XSAVE components that the engine can carry.
    let components: UInt64

    /// Nil where the processor or the host's policy does not let one be made.
    init?() {
        var handle: OpaquePointer?
        // SAFETY: the shim stores an engine or fails.
        guard unsafe caisson_native_create(&handle) == 0, let made = unsafe handle else { return nil }
        unsafe self.handle = made
        unsafe before = .allocate(byteCount: 2 * 4096, alignment: 64)
        unsafe components = caisson_native_components(made)
    }

    deinit {
        // SAFETY: both are this object's own.
        unsafe before.deallocate()
        unsafe caisson_native_destroy(handle)
    }

    /// The guest's extended state: 4096 bytes in XSAVE's standard format.
    var extendedState: UnsafeMutableRawPointer {
        // SAFETY: lives as long as the engine, which never fails to have it.
        unsafe caisson_native_extended_state(handle)
    }

    /// Blocks the thread's signals, so that none is handled on registers of the guest. False where that fails.
    func begin() -> Bool { unsafe caisson_native_begin(handle) == 0 }

    /// Undoes `begin`.
    func end() { unsafe caisson_native_end(handle) }

    /// An instruction with all that its execution needs.
    struct Job {
        let instruction: Instruction
        let bytes: InstructionBytes
        let components: UInt64
        /// The opcode and ModRM register field to execute in place of the instruction's own.
        var opcode: UInt8?
        var group: UInt8?
        var span = NativeEngine.ordinarySpan
    }

    /// Executes an instruction; on success RIP is behind it. Between `begin` and `end`.
    func execute(
        _ job: Job, _ registers: inout kvm_regs, _ special: kvm_sregs, _ space: LinearMemory
    ) -> Completion {
        var operand: NativeOperand?
        if let memory = job.instruction.memory {
            var displacement: Int64?
            if memory.hasScaledDisplacement {
                displacement = scaledDisplacement(job, special.decoderMode)
                guard displacement != nil else { return .impossible(.unsupportedInstruction) }
            }
            let linear = memory.linearAddress(
                registers, special, end: registers.rip &+ UInt64(job.instruction.length),
                size: job.instruction.addressSize, displacement: displacement)
            do {
                operand = try NativeOperand(linear, span: job.span, special, space)
            } catch {
                return Completion(error, isStack: memory.segment == .ss)
            }
        }
        let rewriter = InstructionRewriter(
            job.instruction, job.bytes, special.decoderMode, opcode: job.opcode, group: job.group)
        guard rewriter.isFaithful(to: job.instruction, opcode: job.opcode) else {
            return .impossible(.unsupportedInstruction)
        }
        if let operand { fill(operand, space) }
        load(registers)
        if let base = rewriter.base, let operand {
            // SAFETY: `base` is a register's number, and the shim has room for 16.
            unsafe caisson_native_registers(handle)[Int(base)] = address(of: operand)
        }
        var fault = caisson_native_fault()
        let result = run(rewriter.code, job.components, &fault)
        guard result == 0 else {
            return result == 1 ? explain(fault, operand, special, space) : .impossible(.unsupportedInstruction)
        }
        if let operand { writeBack(operand, space) }
        store(&registers, except: rewriter.base)
        registers.rip &+= UInt64(job.instruction.length)
        return .completed
    }

    private func run(_ code: InstructionBytes, _ components: UInt64, _ fault: inout caisson_native_fault) -> Int32 {
        var words: (UInt64, UInt64) = (0, 0)
        for index in 0..<code.count {
            let byte = UInt64(code[index]) << (UInt64(index & 7) * 8)
            if index < 8 { words.0 |= byte } else { words.1 |= byte }
        }
        let count = code.count
        // SAFETY: `words` has 16 bytes, and code is at most 15 long.
        return unsafe withUnsafeBytes(of: words) { bytes in
            unsafe caisson_native_execute(
                handle, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), count, components, &fault)
        }
    }

    private func load(_ registers: kvm_regs) {
        // SAFETY: the shim has room for 16 registers and the flags behind them.
        let place = unsafe caisson_native_registers(handle)
        for number in 0..<16 as Range<UInt8> { unsafe place?[Int(number)] = registers[number] }
        unsafe place?[16] = registers.rflags
    }

    private func store(_ registers: inout kvm_regs, except base: UInt8?) {
        // SAFETY: as in load().
        guard let place = unsafe caisson_native_registers(handle) else { return }
        for number in 0..<16 as Range<UInt8> where number != base {
            registers[number] = unsafe place[Int(number)]
        }
        registers.rflags = unsafe place[16]
    }

    /// EVEX counts 8-bit displacements in units that each instruction has its own of. The processor knows: it is asked to
    /// execute the instruction, unmasked, where nothing is mapped, and the fault tells the address.
    private func scaledDisplacement(_ job: Job, _ mode: InstructionDecoder.Mode) -> Int64? {
        let rewriter = InstructionRewriter(job.instruction, job.bytes, mode, keepsScaledDisplacement: true)
        guard let base = rewriter.base, rewriter.isFaithful(to: job.instruction) else { return nil }
        let origin = unsafe caisson_native_void(handle)
        // SAFETY: `base` is a register's number.
        unsafe caisson_native_registers(handle)[Int(base)] = origin
        var fault = caisson_native_fault()
        guard run(rewriter.code, job.components, &fault) == 1, fault.vector == Vector.pageFault else { return nil }
        let distance = Int64(bitPattern: fault.address &- origin)
        return abs(distance) <= 128 * 64 ? distance : nil
    }

    /// The x87 unit notes where its last instruction and operand were: here, in the host's code and in the window. The guest
    /// finds its own places instead, and learns nothing of the host's.
    func hidePlaces(instruction: UInt64, operand: UInt64) {
        let state = unsafe extendedState
        let region = unsafe caisson_native_region(handle)
        // SAFETY: FIP is at byte 8 and FDP at byte 16 of the legacy area, 8 bytes each (Intel SDM 1, 10.5.1).
        for (offset, guestPlace) in [(8, instruction), (16, operand)] {
            let place = unsafe state.load(fromByteOffset: offset, as: UInt64.self)
            if region.start <= place, place < region.end {
                unsafe state.storeBytes(of: guestPlace, toByteOffset: offset, as: UInt64.self)
            }
        }
    }
}
