package import CLinux
package import GuestMemory

/// Where and why a machine stopped on an instruction that neither KVM nor Caisson can execute.
package struct Diagnosis: Error, Sendable {
    package enum Reason: Equatable, Sendable {
        /// No repair covers the instruction.
        case unsupportedInstruction
        /// The instruction could not be fetched from the guest's memory.
        case unreadableInstruction
        /// It touches memory outside RAM, at this guest-physical address.
        case accessOutsideRAM(GuestAddress)
        /// Repaired `count` times in a row without the registers changing in between.
        case noProgress(count: Int)
    }

    package let reason: Reason
    package let instruction: InstructionBytes
    package let registers: kvm_regs
    package let special: kvm_sregs
    /// Up to 32 bytes of code before RIP and 32 from it, where they can be read.
    package let codeBefore: [UInt8]
    package let codeAfter: [UInt8]
    /// What the instruction is, where it is known.
    package let mnemonic: String?
    /// Whether the host was found to run guest kernels in an emulator.
    package let hostNeedsRepair: Bool

    init(
        _ reason: Reason, _ instruction: InstructionBytes, _ registers: kvm_regs, _ special: kvm_sregs,
        in memory: LinearMemory, mnemonic: String? = nil, hostNeedsRepair: Bool
    ) {
        self.reason = reason
        self.instruction = instruction
        self.registers = registers
        self.special = special
        self.mnemonic = mnemonic
        self.hostNeedsRepair = hostNeedsRepair
        let rip = special.cs.base &+ registers.rip
        codeAfter = Self.code(from: rip, 32, memory)
        codeBefore = Self.code(from: rip &- 32, 32, memory)
    }

    private static func code(from linear: UInt64, _ count: Int, _ memory: LinearMemory) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in 0..<count {
            var byte: UInt8 = 0
            // SAFETY: `byte` has 1 byte.
            guard (unsafe try? memory.read(linear &+ UInt64(index), count: 1, into: &byte)) != nil else { break }
            bytes.append(byte)
        }
        return bytes
    }

    /// The privilege level that the guest ran at.
    package var privilegeLevel: UInt8 { special.ss.dpl & 3 }
}

extension Diagnosis: CustomStringConvertible {
    /// Several lines: what happened, what can be done, and the state of the vCPU.
    package var description: String {
        """
        \(headline)
          instruction  \(hexadecimal(instruction.array))\(mnemonic.map { "  (\($0))" } ?? "")
          at           rip \(word(registers.rip)) cpl \(privilegeLevel) \(mode)
          code         \(hexadecimal(codeBefore)) <\(hexadecimal(codeAfter.prefix(1)))> \
        \(hexadecimal(codeAfter.dropFirst()))
          rax \(word(registers.rax)) rbx \(word(registers.rbx)) rcx \(word(registers.rcx)) rdx \(word(registers.rdx))
          rsi \(word(registers.rsi)) rdi \(word(registers.rdi)) rbp \(word(registers.rbp)) rsp \(word(registers.rsp))
          r8  \(word(registers.r8)) r9  \(word(registers.r9)) r10 \(word(registers.r10)) r11 \(word(registers.r11))
          r12 \(word(registers.r12)) r13 \(word(registers.r13)) r14 \(word(registers.r14)) r15 \(word(registers.r15))
          cr0 \(word(special.cr0)) cr2 \(word(special.cr2)) cr3 \(word(special.cr3)) cr4 \(word(special.cr4))
          efer \(word(special.efer)) rflags \(word(registers.rflags)) cs \(number(special.cs.selector)) ss \
        \(number(special.ss.selector))
        \(advice)
        """
    }

    private var headline: String {
        switch reason {
        case .unsupportedInstruction:
            "the guest executed an instruction that this host's KVM does not emulate and Caisson does not complete"
        case .unreadableInstruction:
            "this host's KVM gave up on an instruction that cannot be read from the guest's memory"
        case .accessOutsideRAM(let address):
            "an instruction that this host's KVM does not emulate touches guest address \(address), which is not RAM"
        case .noProgress(let count):
            "the guest makes no progress: the same instruction was completed \(count) times with the same registers"
        }
    }

    private var advice: String {
        guard hostNeedsRepair else {
            return
                "This host has hardware virtualization, where KVM emulates an instruction only if it accesses a device, "
                + "or if the processor cannot run the guest's mode by itself. Most likely the guest jumped or pointed to "
                + "where no RAM is: look at rip and at the registers that the instruction addresses memory by."
        }
        return
            "This host runs guest kernel code in an emulator, because its CPU offers KVM no hardware virtualization. "
            + "Use a kernel built without the feature that this instruction belongs to, tell it on the kernel command "
            + "line not to use it (clearcpuid=), or run on a host with VT-x or AMD-V."
    }

    private var mode: String {
        if special.cr0 & CR0.protection == 0 { return "real mode" }
        if special.efer & EFER.longModeActive == 0 { return "protected mode" }
        return special.cs.l != 0 ? "64-bit mode" : "compatibility mode"
    }

    private func hexadecimal(_ bytes: some Collection<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }

    private func word(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private func number(_ value: UInt16) -> String { "0x" + String(value, radix: 16) }
}
