import CLinux

extension Instruction.Memory {
    /// The linear address of the operand.
    ///
    /// - Parameters:
    ///   - end: RIP behind the instruction.
    ///   - size: the instruction's address size, in bits.
    ///   - displacement: takes the place of a scaled displacement, in bytes.
    /// Segment limits are not checked.
    func linearAddress(
        _ registers: kvm_regs, _ special: kvm_sregs, end: UInt64, size: UInt8, displacement: Int64? = nil
    ) -> UInt64 {
        let offset = offset(registers, end: end, size: size, displacement: displacement)
        if special.isIn64BitMode {
            // FS and GS alone have a base here.
            switch segment {
            case .fs: return offset &+ special.fs.base
            case .gs: return offset &+ special.gs.base
            default: return offset
            }
        }
        return (offset &+ special.base(of: segment)) & 0xffff_ffff
    }

    /// The address of the operand in its segment.
    func offset(_ registers: kvm_regs, end: UInt64, size: UInt8, displacement: Int64? = nil) -> UInt64 {
        var offset = UInt64(bitPattern: displacement ?? self.displacement)
        if let base { offset &+= registers[base] }
        if let index { offset &+= registers[index] &* UInt64(scale) }
        if isRelative { offset &+= end }
        return size < 64 ? offset & ((1 << UInt64(size)) - 1) : offset
    }
}

extension kvm_sregs {
    var isIn64BitMode: Bool { efer & EFER.longModeActive != 0 && cs.l != 0 }

    /// How the code at hand is decoded.
    var decoderMode: InstructionDecoder.Mode {
        if isIn64BitMode { return .bits64 }
        return cs.db != 0 ? .bits32 : .bits16
    }

    var privilegeLevel: UInt8 { ss.dpl & 3 }

    fileprivate func base(of segment: Instruction.Segment) -> UInt64 {
        switch segment {
        case .es: es.base
        case .cs: cs.base
        case .ss: ss.base
        case .ds: ds.base
        case .fs: fs.base
        case .gs: gs.base
        }
    }
}
