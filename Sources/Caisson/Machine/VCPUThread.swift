import CLinux
import Dispatch
import HostIO
import KVM
import LinuxBoot
import Logging
import SoftwareKVM
import Synchronization
import SystemPackage

/// A vCPU, which a thread of its own runs.
final class VCPUThread: Sendable {
    /// How a vCPU begins.
    enum Start: Sendable {
        /// At a kernel's entry: the first processor.
        case at(BootState, VCPURun)
        /// Where another processor's start-up interrupt says, on a host with these quirks.
        case onStartUpInterrupt(HostQuirks, VCPURun)
        /// Not at all: the machine could not be built.
        case cancelled
    }

    /// How long a vCPU may run before others have their turn, in nanoseconds, where the guest's kernel is emulated.
    private static let longSlice: UInt64 = 20_000_000

    let index: Int
    /// The host's processor that it stays on, if any.
    private let hostProcessor: Int?
    private let counters: ProcessorCounters
    private let orders = VCPUOrderBox()
    private let kick = Mutex<VCPUKick?>(nil)
    private let isParked = DispatchSemaphore(value: 0)
    private let mayGoOn = DispatchSemaphore(value: 0)
    /// Signalled with every order to a vCPU that is held. It may be signalled too often: who waits looks again.
    private let holdChanged = DispatchSemaphore(value: 0)
    private let host = Mutex<HostThread?>(nil)
    private let isHalted = Atomic<Bool>(false)
    private let hasKernelCounters = Atomic<Bool>(false)

    /// What the host turned out to leave undone, as the first vCPU found; the vCPU is made then.
    let probed = Handoff<Result<HostQuirks, VirtualMachineError>>()
    private let start = Handoff<Start>()

    init(index: Int, hostProcessor: Int?, counters: ProcessorCounters) {
        self.index = index
        self.hostProcessor = hostProcessor
        self.counters = counters
    }

    // MARK: From any thread

    /// What the thread is called on the host.
    static func name(of index: Int) -> String { "caisson-vcpu\(index)" }

    /// The thread, which calls `live(_:)`.
    func setHost(_ thread: HostThread) { host.withLock { $0 = thread } }

    /// Makes the vCPU on the calling thread, and runs it there; returns after its end.
    /// - Parameter parts: makes the machine, or waits for it; called first.
    func live(_ parts: () throws(VirtualMachineError) -> MachineCore.Parts) {
        work(parts)
        kick.withLock { $0 = nil }
    }

    /// Lets a prepared vCPU run.
    func begin(_ start: Start) { self.start.give(start) }

    /// Has orders carried out before the guest executes another instruction, or as soon as the current access of its to
    /// a device is done.
    func order(_ orders: VCPUOrders) {
        let before = self.orders.add(orders)
        kick.withLock { $0 }?()
        if before.contains(.hold) { holdChanged.signal() }
        if orders.contains(.stop) {
            start.give(.cancelled)
            mayGoOn.signal()
        }
    }

    /// Takes back `order(.hold)`.
    func endHold() {
        if orders.remove(.hold).contains(.hold) { holdChanged.signal() }
    }

    /// Waits until the vCPU has paused or ended. Follows each `order(.pause)`.
    func waitUntilParked() { isParked.wait() }

    /// Lets a paused vCPU go on.
    func resume() { mayGoOn.signal() }

    /// Waits until the vCPU and its thread are gone, if there is one. For whoever changes the machine's state.
    func join() { host.withLock { $0.take() }?.join() }

    /// Whether the last inspection found the vCPU waiting for what only another vCPU can do.
    var wasHalted: Bool { isHalted.load(ordering: .acquiring) }

    /// Takes back what the last inspection found.
    func forgetHalt() { isHalted.store(false, ordering: .releasing) }

    /// CPU time used, in nanoseconds; nil before the vCPU was made and after its end.
    var cpuTime: UInt64? { kick.withLock { $0 }?.cpuTime }

    /// Has the kernel's counters opened, once: that is for the vCPU's own thread.
    func openKernelCounters() {
        guard !hasKernelCounters.exchange(true, ordering: .relaxed) else { return }
        order(.openCounters)
    }

    // MARK: On its own thread

    private func work(_ parts: () throws(VirtualMachineError) -> MachineCore.Parts) {
        _ = caisson_unblock_kick()
        // Whoever waits for a pause must not wait for ever.
        defer { isParked.signal() }
        var run: VCPURun?
        do throws(VirtualMachineError) {
            let parts = try parts()
            try pin()
            var vcpu = try onHost { () throws(KVMError) in try parts.machine.kvm.makeVCPU(index: index) }
            kick.withLock { $0 = vcpu.kick }
            counters.begin(vcpu.kick)
            defer { counters.end() }
            try onHost { () throws(KVMError) in try parts.identity.install(on: vcpu, index: index) }
            guard var repair = try begin(&vcpu, parts.machine, &run), let run else { return }
            // A kick during the preparations is forgotten with them: what it was for is not.
            guard try onHost({ () throws(KVMError) in try carryOut(vcpu) }) else { return }
            if let end = try run.loop(
                &vcpu, &repair, counters, interrupted: { cpu throws(KVMError) in try carryOut(cpu) })
            {
                run.ending.end(end)
            }
            run.logger.debug("vCPU \(index) ended", metadata: ["repairs": "\(repair.statistics)"])
        } catch {
            probed.give(.failure(error))
            run?.ending.end(.failure(error))
        }
    }

    private func pin() throws(VirtualMachineError) {
        guard let hostProcessor else { return }
        let result = caisson_pin_thread(Int32(clamping: hostProcessor))
        guard result != 0 else { return }
        let reason =
            result == -EINVAL
            ? "the host has none of that number, or this process may not use it" : "\(Errno(rawValue: -result))"
        throw VirtualMachineError(
            .hostFailure, "a virtual processor cannot be kept on the host's processor \(hostProcessor): \(reason)")
    }

    /// Prepares the vCPU for its first run. Nil when the machine could not be built.
    /// - Parameter run: set as soon as it is known, so that whatever fails afterwards ends the machine.
    private func begin(
        _ vcpu: inout VCPU, _ machine: MachineHandle, _ run: inout VCPURun?
    ) throws(VirtualMachineError) -> HostRepair? {
        guard index == 0 else {
            probed.give(.success([]))
            guard case .onStartUpInterrupt(let quirks, let started) = start.take() else { return nil }
            run = started
            return try prepare(&vcpu, quirks, machine)
        }
        let quirks = try HostProbing.quirks(of: vcpu, memory: machine.memory)
        probed.give(.success(quirks))
        // Beside the loading of the guest.
        let repair = try prepare(&vcpu, quirks, machine)
        guard case .at(let state, let started) = start.take() else { return nil }
        run = started
        try onHost { () throws(KVMError) in try ProcessorState.start(vcpu, at: state) }
        return repair
    }

    private func prepare(
        _ vcpu: inout VCPU, _ quirks: HostQuirks, _ machine: MachineHandle
    ) throws(VirtualMachineError) -> HostRepair {
        do throws(KVMError) {
            try ProcessorState.initialize(vcpu, isFirst: index == 0)
        } catch { throw VirtualMachineError(error) }
        // A tick of an emulated kernel takes longer than the host's default slice: with many machines, each would find a tick due
        // whenever it has its turn, and get no further. It is a wish: without it they are slower.
        if quirks.contains(.kernelCodeIsEmulated) { _ = caisson_set_time_slice(Self.longSlice) }
        return HostRepair(quirks: quirks, memory: machine.memory)
    }

    /// Carries out what was ordered. False when the vCPU is to end.
    private func carryOut(_ vcpu: borrowing VCPU) throws(KVMError) -> Bool {
        while true {
            let orders = orders.take()
            if orders.contains(.stop) { return false }
            if orders.contains(.inspect) {
                isHalted.store(try Self.waitsInVain(vcpu), ordering: .releasing)
            }
            if orders.contains(.openCounters) { counters.setKernelCounters(vcpu.kernelCounters) }
            if orders.contains(.pause) {
                isParked.signal()
                mayGoOn.wait()
                vcpu.tellPause()
            } else if orders.contains(.hold) {
                holdChanged.wait()
            } else {
                return true
            }
            // There may be new orders by now, another pause among them.
        }
    }

    /// Whether the vCPU executed HLT with interrupts off, so that only an NMI could wake it, or has not been started:
    /// both take another vCPU.
    private static func waitsInVain(_ vcpu: borrowing VCPU) throws(KVMError) -> Bool {
        let interruptFlag: UInt64 = 1 << 9
        switch Int32(bitPattern: try vcpu.multiprocessingState()) {
        case KVM_MP_STATE_HALTED: return try vcpu.registers().rflags & interruptFlag == 0
        case KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED: return true
        default: return false
        }
    }
}
