import CLinux

/// A 64-bit gate of an interrupt descriptor table (Intel SDM 3, 6.14.1).
struct InterruptGate: Equatable {
    /// The handler's first instruction.
    let offset: UInt64
    let selector: UInt16
    /// The stack of the task state segment that the gate switches to, or 0.
    let stackTable: UInt8
    /// The least privileged level that may use the gate with `int n`.
    let privilegeLevel: UInt8
    /// An interrupt gate clears RFLAGS.IF, a trap gate leaves it.
    let disablesInterrupts: Bool

    /// Decodes the two words of a gate; nil unless it is a present interrupt or trap gate.
    init?(low: UInt64, high: UInt64) {
        let type = low >> 40 & 0x1f
        guard low & 1 << 47 != 0, type == 0xe || type == 0xf else { return nil }
        offset = low & 0xffff | low >> 32 & 0xffff_0000 | high << 32
        selector = UInt16(truncatingIfNeeded: low >> 16)
        stackTable = UInt8(low >> 32 & 7)
        privilegeLevel = UInt8(low >> 45 & 3)
        disablesInterrupts = type == 0xe
    }

    /// Reads the gate of `vector`; nil where the table is too short, unreadable or has no such gate, and outside
    /// long mode.
    init?(_ vector: UInt8, _ special: kvm_sregs, in memory: LinearMemory) {
        let offset = UInt64(vector) * 16
        guard special.efer & EFER.longModeActive != 0, UInt64(special.idt.limit) >= offset + 15 else { return nil }
        let place = special.idt.base &+ offset
        guard let low = try? memory.load64(place), let high = try? memory.load64(place &+ 8) else { return nil }
        self.init(low: low, high: high)
    }
}
