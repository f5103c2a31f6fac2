import CLinux

/// What LAR, LSL, VERR and VERW say about a selector (Intel SDM 2).
struct SegmentInspection {
    private let descriptor: UInt64
    private let selector: UInt16
    private let privilegeLevel: UInt8
    private let isLongMode: Bool

    /// Nil where the selector names no descriptor. That the descriptor table cannot be read is the guest's fault.
    init?(_ selector: UInt16, _ special: kvm_sregs, _ space: LinearMemory) throws(TranslationError) {
        guard selector & 0xfffc != 0 else { return nil }
        let isLocal = selector & 4 != 0
        let offset = UInt64(selector & 0xfff8)
        let base = isLocal ? special.ldt.base : special.gdt.base
        let limit = isLocal ? UInt64(special.ldt.unusable != 0 ? 0 : special.ldt.limit) : UInt64(special.gdt.limit)
        guard offset + 7 <= limit else { return nil }
        descriptor = try space.load64(base &+ offset)
        self.selector = selector
        privilegeLevel = special.privilegeLevel
        isLongMode = special.efer & EFER.longModeActive != 0
    }

    private var type: UInt64 { descriptor >> 40 & 0xf }
    private var isSystem: Bool { descriptor & 1 << 44 == 0 }
    private var isCode: Bool { type & 8 != 0 }
    private var isConforming: Bool { isCode && type & 4 != 0 }

    /// Whether the current and the requested privilege level may look at the segment.
    private var isVisible: Bool {
        if !isSystem, isConforming { return true }
        let level = UInt8(descriptor >> 45 & 3)
        return privilegeLevel <= level && UInt8(selector & 3) <= level
    }

    /// The access rights that LAR loads, or nil where it clears ZF.
    var accessRights: UInt64? {
        let types: [UInt64] = isLongMode ? [2, 9, 11, 12] : [1, 2, 3, 4, 5, 9, 11, 12]
        guard isVisible, !isSystem || types.contains(type) else { return nil }
        return descriptor >> 32 & 0x00ff_ff00
    }

    /// The limit in bytes that LSL loads, or nil where it clears ZF.
    var limit: UInt64? {
        let types: [UInt64] = isLongMode ? [2, 9, 11] : [1, 2, 3, 9, 11]
        guard isVisible, !isSystem || types.contains(type) else { return nil }
        let units = descriptor & 0xffff | descriptor >> 32 & 0xf_0000
        return descriptor & 1 << 55 != 0 ? units << 12 | 0xfff : units
    }

    /// What VERR and VERW put into ZF.
    func allows(isWrite: Bool) -> Bool {
        guard isVisible, !isSystem else { return false }
        let hasRight = type & 2 != 0
        return isWrite ? !isCode && hasRight : !isCode || hasRight
    }
}
