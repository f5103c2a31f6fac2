package import CLinux
import GuestMemory

/// One virtual processor. It stays on the thread that made it; `kick` is for the others.
@safe package struct VCPU: ~Copyable {
    let descriptor: KVMDescriptor
    private let area: Mapping
    /// The area shared with the kernel.
    let runArea: UnsafeMutablePointer<kvm_run>
    private let runAreaSize: Int
    /// Whether the kernel keeps the vCPU's registers in the shared area between runs.
    private var isSynchronized = false
    private let canSynchronize: Bool

    /// Takes the vCPU out of its guest, from any thread.
    package let kick: VCPUKick

    init(_ descriptor: consuming KVMDescriptor, runAreaSize: Int, canSynchronize: Bool) throws(KVMError) {
        precondition(runAreaSize >= MemoryLayout<kvm_run>.size)
        let area: Mapping
        do {
            area = try Mapping(sharing: descriptor.rawValue, size: runAreaSize)
        } catch {
            guard case .cannotMap(_, let errno) = error else { preconditionFailure("\(error)") }
            throw .cannotMapRunArea(errno: errno)
        }
        // SAFETY: the mapping starts with the structure, is as large as the kernel says, and lives as long as this.
        unsafe runArea = area.base.assumingMemoryBound(to: kvm_run.self)
        self.runAreaSize = runAreaSize
        self.area = area
        self.descriptor = descriptor
        self.canSynchronize = canSynchronize
        kick = unsafe VCPUKick(thread: pthread_self(), immediateExit: caisson_immediate_exit(runArea))
    }

    deinit { kick.invalidate() }

    // MARK: Running

    /// Runs the guest until it needs the host.
    ///
    /// The thread has to have the kick signal unblocked (`caisson_unblock_kick`).
    /// - Throws: `requestFailed`, `threadLimit`.
    @inline(__always)
    package func run() throws(KVMError) -> VCPUExit {
        let result = caisson_run_vcpu(descriptor.rawValue)
        return result < 0 ? try refused(result) : exit
    }

    @inline(never)
    private func refused(_ first: Int32) throws(KVMError) -> VCPUExit {
        var result = first
        if result == -EAGAIN {
            // A vCPU that waited for its start-up interrupt: a signal or the interrupt ended that.
            guard try multiprocessingState() == KVM_MP_STATE_RUNNABLE else { return .interrupted }
            // Now it can run. If not, the kernel lacks a thread that the first run of a machine starts.
            result = caisson_run_vcpu(descriptor.rawValue)
            if result == 0 { return exit }
        }
        switch -result {
        case EINTR: return .interrupted
        case EAGAIN: throw .threadLimit
        default: throw .requestFailed(operation: "KVM_RUN", errno: -result)
        }
    }

    /// Forgets the kicks so far. A caller does this after a run was interrupted and before it looks why, so that a
    /// kick in between ends the next run.
    @inline(__always)
    package func acknowledgeKick() {
        // SAFETY: the byte lies in the shared area.
        unsafe caisson_publish_8(caisson_immediate_exit(runArea), 0)
    }

    /// Lets the kernel finish the access that the last exit was for, without running the guest on: its registers are then
    /// those behind the instruction. Forgets the kicks so far.
    /// - Throws: `requestFailed`.
    package func completeExit() throws(KVMError) {
        // SAFETY: the byte lies in the shared area.
        unsafe caisson_publish_8(caisson_immediate_exit(runArea), 1)
        defer { acknowledgeKick() }
        _ = try run()
    }

    @inline(__always)
    private var exit: VCPUExit {
        // SAFETY: each accessor reads the union's member that belongs to the reason, inside the shared area, which only
        // the kernel changes, and only during KVM_RUN.
        let reason = unsafe caisson_exit_reason(runArea)
        switch Int32(truncatingIfNeeded: reason) {
        case KVM_EXIT_IO:
            let access = unsafe caisson_exit_port(runArea)
            let decoded = VCPUExit.PortAccess(
                port: access.port, width: Int(access.width), count: Int(access.count), offset: Int(access.offset))
            return access.is_write != 0 ? .portWrite(decoded) : .portRead(decoded)
        case KVM_EXIT_MMIO:
            let access = unsafe caisson_exit_mmio(runArea)
            return access.is_write != 0
                ? .mmioWrite(address: access.address, width: Int(access.width), value: access.value)
                : .mmioRead(address: access.address, width: Int(access.width))
        case KVM_EXIT_X86_RDMSR: return .msrRead(index: unsafe caisson_exit_msr(runArea).index)
        case KVM_EXIT_X86_WRMSR:
            let access = unsafe caisson_exit_msr(runArea)
            return .msrWrite(index: access.index, value: access.value)
        case KVM_EXIT_DEBUG: return .debug
        case KVM_EXIT_HLT: return .halt
        case KVM_EXIT_SHUTDOWN: return .shutdown
        case KVM_EXIT_SYSTEM_EVENT: return .systemEvent(type: unsafe caisson_exit_system_event(runArea))
        case KVM_EXIT_INTR: return .interrupted
        case KVM_EXIT_INTERNAL_ERROR:
            let suberror = unsafe caisson_exit_suberror(runArea)
            return suberror == UInt32(KVM_INTERNAL_ERROR_EMULATION)
                ? .emulationFailed : .internalError(suberror: suberror)
        case KVM_EXIT_FAIL_ENTRY: return .entryFailed(reason: unsafe caisson_exit_entry_failure(runArea))
        default: return .unexpected(reason: reason)
        }
    }

    // MARK: What belongs to an exit

    /// One element of what the guest wrote to a port.
    @inline(__always)
    package func value(of access: VCPUExit.PortAccess, element: Int) -> UInt32 {
        let address = unsafe pointer(to: access, element)
        // SAFETY: `pointer` checked that the element lies in the shared area.
        return switch access.width {
        case 1: UInt32(unsafe caisson_load_8(address))
        case 2: UInt32(unsafe caisson_load_16(address))
        default: unsafe caisson_load_32(address)
        }
    }

    /// Answers one element of a port read.
    @inline(__always)
    package func answer(_ access: VCPUExit.PortAccess, element: Int, _ value: UInt32) {
        let address = unsafe pointer(to: access, element)
        // SAFETY: `pointer` checked that the element lies in the shared area.
        switch access.width {
        case 1: unsafe caisson_store_8(address, UInt8(truncatingIfNeeded: value))
        case 2: unsafe caisson_store_16(address, UInt16(truncatingIfNeeded: value))
        default: unsafe caisson_store_32(address, value)
        }
    }

    @inline(__always)
    private func pointer(to access: VCPUExit.PortAccess, _ element: Int) -> UnsafeMutableRawPointer {
        precondition(element >= 0 && element < access.count)
        let offset = access.offset + element * access.width
        precondition(offset + access.width <= runAreaSize)
        return unsafe area.base + offset
    }

    /// Answers a read of memory that is not RAM.
    @inline(__always)
    package func answerMMIO(_ value: UInt64) {
        // SAFETY: the 8 data bytes lie in the shared area.
        unsafe caisson_answer_mmio(runArea, value)
    }

    /// Answers a read of a filtered register; nil raises #GP in the guest.
    package func answerMSRRead(_ value: UInt64?) {
        // SAFETY: as above.
        unsafe caisson_answer_msr(runArea, value ?? 0, value == nil ? 1 : 0)
    }

    /// Lets a write of a filtered register stand, or raises #GP in the guest.
    package func answerMSRWrite(isAccepted: Bool) {
        // SAFETY: as above.
        unsafe caisson_answer_msr(runArea, 0, isAccepted ? 0 : 1)
    }

    /// The bytes of the instruction that KVM's emulator gave up on, as far as the kernel tells them.
    package var failedInstruction: [UInt8] {
        // SAFETY: the buffer has the 15 bytes that the shim may store.
        unsafe [UInt8](unsafeUninitializedCapacity: 15) { buffer, count in
            guard let bytes = buffer.baseAddress else { return }
            count = unsafe Int(caisson_exit_instruction(runArea, bytes))
        }
    }

    // MARK: General registers

    /// Keeps the registers in the shared area from now on, where looking at them costs no system call but every exit
    /// stores them. Without effect where KVM cannot, and the second time.
    /// - Returns: whether anything was done, which completes the last exit as `completeExit()` does and forgets the kicks so
    ///   far.
    /// - Throws: `requestFailed`.
    @discardableResult
    package mutating func synchronizeRegisters() throws(KVMError) -> Bool {
        guard canSynchronize, !isSynchronized else { return false }
        // SAFETY: the field lies in the shared area.
        unsafe caisson_synchronize_registers(runArea, UInt64(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS))
        try completeExit()
        isSynchronized = true
        return true
    }

    /// The general registers.
    /// - Throws: `requestFailed`.
    package func registers() throws(KVMError) -> kvm_regs {
        // SAFETY: the kernel filled the area's registers when the last run ended.
        if isSynchronized { return unsafe caisson_run_registers(runArea).pointee }
        return try descriptor.receive(CAISSON_KVM_GET_REGS, kvm_regs(), "KVM_GET_REGS")
    }

    /// - Throws: `requestFailed`.
    package func setRegisters(_ registers: kvm_regs) throws(KVMError) {
        if isSynchronized {
            // SAFETY: the kernel takes the area's registers over when the next run starts.
            unsafe caisson_run_registers(runArea).pointee = registers
            unsafe caisson_set_dirty_registers(runArea, UInt64(KVM_SYNC_X86_REGS))
        } else {
            try descriptor.send(CAISSON_KVM_SET_REGS, registers, "KVM_SET_REGS")
        }
    }

    /// Segments, control registers, descriptor tables, EFER.
    /// - Throws: `requestFailed`.
    package func specialRegisters() throws(KVMError) -> kvm_sregs {
        // SAFETY: as for the general registers.
        if isSynchronized { return unsafe caisson_run_special_registers(runArea).pointee }
        return try descriptor.receive(CAISSON_KVM_GET_SREGS, kvm_sregs(), "KVM_GET_SREGS")
    }

    /// At once, also where registers are synchronized, so that a refusal shows here.
    /// - Throws: `requestFailed`.
    package func setSpecialRegisters(_ registers: kvm_sregs) throws(KVMError) {
        try descriptor.send(CAISSON_KVM_SET_SREGS, registers, "KVM_SET_SREGS")
        // SAFETY: as for the general registers; what the kernel has already is not marked as changed.
        if isSynchronized { unsafe caisson_run_special_registers(runArea).pointee = registers }
    }
}
