package import CLinux

/// General registers by the number that instructions encode: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
extension kvm_regs {
    package subscript(number: UInt8) -> UInt64 {
        get {
            switch number & 15 {
            case 0: rax
            case 1: rcx
            case 2: rdx
            case 3: rbx
            case 4: rsp
            case 5: rbp
            case 6: rsi
            case 7: rdi
            case 8: r8
            case 9: r9
            case 10: r10
            case 11: r11
            case 12: r12
            case 13: r13
            case 14: r14
            default: r15
            }
        }
        set {
            switch number & 15 {
            case 0: rax = newValue
            case 1: rcx = newValue
            case 2: rdx = newValue
            case 3: rbx = newValue
            case 4: rsp = newValue
            case 5: rbp = newValue
            case 6: rsi = newValue
            case 7: rdi = newValue
            case 8: r8 = newValue
            case 9: r9 = newValue
            case 10: r10 = newValue
            case 11: r11 = newValue
            case 12: r12 = newValue
            case 13: r13 = newValue
            case 14: r14 = newValue
            default: r15 = newValue
            }
        }
    }
}

extension kvm_segment {
    /// A flat 64-bit code segment or data segment at CPL 0, as SYSCALL loads them.
    static func flat(_ selector: UInt16, isCode: Bool) -> kvm_segment {
        var segment = kvm_segment()
        segment.limit = .max
        segment.selector = selector
        segment.type = isCode ? 0b1011 : 0b0011
        segment.present = 1
        segment.s = 1
        segment.l = isCode ? 1 : 0
        segment.db = isCode ? 0 : 1
        segment.g = 1
        return segment
    }
}
