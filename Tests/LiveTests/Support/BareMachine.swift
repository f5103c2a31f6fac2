import CLinux
import GuestMemory
import KVM
import Testing

/// Whether machines can run here; a suite that needs them says why it does not run.
enum LiveHost {
    static let refusal: String? = {
        do {
            _ = try KVMSystem()
            return nil
        } catch {
            return "\(error)"
        }
    }()
}

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where /dev/kvm cannot be opened.
    static var needsKVM: Self {
        .enabled(if: LiveHost.refusal == nil, "needs KVM: \(Comment(rawValue: LiveHost.refusal ?? ""))")
    }
}

/// A machine with a vCPU and nothing else, for code of a few bytes.
final class BareMachine {
    let memory: GuestMemory
    let system: KVMSystem
    let machine: KVMMachine

    init(memory size: UInt64 = 2 << 20, withInterruptControllers: Bool = true) throws {
        memory = try GuestMemory(size: size)
        system = try KVMSystem()
        machine = try system.makeMachine()
        try machine.setMemory(memory)
        try machine.reservePages(at: 0xfffb_c000)
        if withInterruptControllers {
            try machine.makeInterruptControllers()
            try machine.makeTimer()
        }
    }

    /// The first vCPU, with CPUID as KVM offers it, in real mode at `address`.
    func makeVCPU(at address: UInt64 = 0x1000) throws -> VCPU {
        #expect(caisson_install_kick_handler() == 0)
        #expect(caisson_unblock_kick() == 0)
        let vcpu = try machine.makeVCPU(index: 0)
        try vcpu.setCPUID(try system.supportedCPUID())
        var special = try vcpu.specialRegisters()
        special.cs.base = 0
        special.cs.selector = 0
        try vcpu.setSpecialRegisters(special)
        var registers = kvm_regs()
        registers.rip = address
        registers.rflags = 2
        registers.rsp = 0x8000
        try vcpu.setRegisters(registers)
        return vcpu
    }
}
