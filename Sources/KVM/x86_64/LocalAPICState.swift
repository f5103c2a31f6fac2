import CLinux

/// The registers of a local APIC, as its page shows them.
package struct LocalAPICState: Sendable {
    /// A register's offset in the page (Intel SDM 3, table 11-1).
    package enum Register: Int, Sendable {
        case identifier = 0x20
        case version = 0x30
        case spuriousVector = 0xf0
        case localInterrupt0 = 0x350
        case localInterrupt1 = 0x360
    }

    private(set) var registers: kvm_lapic_state

    init(_ registers: kvm_lapic_state) { self.registers = registers }

    package subscript(register: Register) -> UInt32 {
        get {
            // SAFETY: every register's 4 bytes lie in the page's first 1 KiB, which the structure is.
            unsafe withUnsafeBytes(of: registers.regs) { bytes in
                unsafe bytes.loadUnaligned(fromByteOffset: register.rawValue, as: UInt32.self)
            }
        }
        set {
            // SAFETY: as above.
            unsafe withUnsafeMutableBytes(of: &registers.regs) { bytes in
                unsafe bytes.storeBytes(of: newValue, toByteOffset: register.rawValue, as: UInt32.self)
            }
        }
    }
}
