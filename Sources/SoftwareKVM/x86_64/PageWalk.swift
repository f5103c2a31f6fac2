package import CLinux
package import GuestMemory

/// What an access to a linear address does.
package struct Access: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let write = Access(rawValue: 1 << 0)
    /// An access of user mode: CPL 3.
    package static let user = Access(rawValue: 1 << 1)
    package static let fetch = Access(rawValue: 1 << 2)

    package static let read: Access = []
}

/// Why a linear address cannot be reached.
package enum TranslationError: Error, Equatable {
    /// The guest's page tables do not allow it: what the processor would raise #PF with.
    case pageFault(address: UInt64, errorCode: UInt32)
    /// Bits 63 to 48 (57 with five levels) are not all alike: #GP, or #SS on the stack.
    case nonCanonical(address: UInt64)
    /// A page or a page table lies outside RAM.
    case notInRAM(GuestAddress)
}

/// The guest's own translation of linear addresses (Intel SDM 3, chapter 4), done on its page tables in RAM: a few
/// nanoseconds where `KVM_TRANSLATE` is a system call, and with the permissions that it does not check.
///
/// Accessed and dirty bits are set as the processor sets them. Reserved bits and protection keys are not looked at.
package struct PageWalk: Equatable, Sendable {
    package let cr0: UInt64
    package let cr3: UInt64
    package let cr4: UInt64
    package let efer: UInt64
    /// RFLAGS.AC: supervisor mode may touch user pages in spite of SMAP.
    package let alignmentCheck: Bool
    /// Whether accessed and dirty bits are set. Not when this only looks what an access would find.
    private var marks = true

    package init(_ special: kvm_sregs, rflags: UInt64 = 0) {
        cr0 = special.cr0
        cr3 = special.cr3
        cr4 = special.cr4
        efer = special.efer
        alignmentCheck = rflags & RFLAGS.alignmentCheck != 0
    }

    /// The same translation, leaving no trace in the page tables.
    package var peeking: PageWalk {
        var walk = self
        walk.marks = false
        return walk
    }

    private var isLongMode: Bool { efer & EFER.longModeActive != 0 }
    private var hasFiveLevels: Bool { cr4 & CR4.fiveLevelPaging != 0 }
    private var noExecuteIsOn: Bool { efer & EFER.noExecute != 0 }

    private enum Entry {
        static let present: UInt64 = 1 << 0
        static let writable: UInt64 = 1 << 1
        static let user: UInt64 = 1 << 2
        static let accessed: UInt64 = 1 << 5
        static let dirty: UInt64 = 1 << 6
        static let large: UInt64 = 1 << 7
        static let noExecute: UInt64 = 1 << 63
        static let address: UInt64 = 0x000f_ffff_ffff_f000
    }

    /// The guest-physical address of `linear`.
    package func translate(
        _ linear: UInt64, _ access: Access, in memory: GuestMemory
    ) throws(TranslationError) -> GuestAddress {
        guard cr0 & CR0.paging != 0 else { return GuestAddress(linear & 0xffff_ffff) }
        guard isLongMode else {
            return cr4 & CR4.physicalAddressExtension != 0
                ? try walkPAE(linear & 0xffff_ffff, access, memory)
                : try walkTwoLevels(linear & 0xffff_ffff, access, memory)
        }
        let unused = hasFiveLevels ? 7 : 16
        guard Int64(bitPattern: linear) == Int64(bitPattern: linear << unused) >> unused else {
            throw .nonCanonical(address: linear)
        }
        return try walk(
            linear, access, memory, table: cr3 & Entry.address, shift: hasFiveLevels ? 48 : 39)
    }

    /// Walks tables of 512 entries of 8 bytes, from the one whose index is at bit `shift`.
    private func walk(
        _ linear: UInt64, _ access: Access, _ memory: GuestMemory, table: UInt64, shift first: UInt64
    ) throws(TranslationError) -> GuestAddress {
        var table = table
        var shift = first
        var rights = Entry.writable | Entry.user
        var noExecute = false
        while true {
            let place = GuestAddress(table + (linear >> shift & 0x1ff) * 8)
            let entry = try load(UInt64.self, place, memory)
            guard entry & Entry.present != 0 else { throw fault(linear, access, isPresent: false) }
            rights &= entry
            noExecute = noExecute || (entry & Entry.noExecute != 0 && noExecuteIsOn)
            let isLast = shift == 12 || (entry & Entry.large != 0 && shift <= 30)
            if isLast {
                try check(linear, access, rights, noExecute)
                mark(place, entry, access, memory)
                let offset: UInt64 = (1 << shift) - 1
                return GuestAddress(entry & Entry.address & ~offset | linear & offset)
            }
            if entry & Entry.accessed == 0 { mark(place, entry, .read, memory) }
            table = entry & Entry.address
            shift -= 9
        }
    }

    /// PAE: the four entries above the page directories grant no rights of their own.
    private func walkPAE(
        _ linear: UInt64, _ access: Access, _ memory: GuestMemory
    ) throws(TranslationError) -> GuestAddress {
        let place = GuestAddress(cr3 & 0xffff_ffe0 + (linear >> 30) * 8)
        let entry = try load(UInt64.self, place, memory)
        guard entry & Entry.present != 0 else { throw fault(linear, access, isPresent: false) }
        return try walk(linear, access, memory, table: entry & Entry.address, shift: 21)
    }

    /// 32-bit paging: entries of 4 bytes, large pages of 4 MiB.
    private func walkTwoLevels(
        _ linear: UInt64, _ access: Access, _ memory: GuestMemory
    ) throws(TranslationError) -> GuestAddress {
        let upper = GuestAddress(cr3 & 0xffff_f000 + (linear >> 22) * 4)
        let directory = UInt64(try load(UInt32.self, upper, memory))
        guard directory & Entry.present != 0 else { throw fault(linear, access, isPresent: false) }
        if directory & Entry.large != 0, cr4 & CR4.pageSizeExtension != 0 {
            try check(linear, access, directory, false)
            mark(upper, directory, access, memory)
            let high = (directory >> 13 & 0xff) << 32
            return GuestAddress(high | directory & 0xffc0_0000 | linear & 0x3f_ffff)
        }
        if directory & Entry.accessed == 0 { mark(upper, directory, .read, memory) }
        let lower = GuestAddress(directory & 0xffff_f000 + (linear >> 12 & 0x3ff) * 4)
        let entry = UInt64(try load(UInt32.self, lower, memory))
        guard entry & Entry.present != 0 else { throw fault(linear, access, isPresent: false) }
        try check(linear, access, directory & entry, false)
        mark(lower, entry, access, memory)
        return GuestAddress(entry & 0xffff_f000 | linear & 0xfff)
    }

    private func check(
        _ linear: UInt64, _ access: Access, _ rights: UInt64, _ noExecute: Bool
    ) throws(TranslationError) {
        let isUserPage = rights & Entry.user != 0
        var allowed = !(access.contains(.fetch) && noExecute)
        if access.contains(.user) {
            allowed = allowed && isUserPage && (!access.contains(.write) || rights & Entry.writable != 0)
        } else {
            if access.contains(.write), rights & Entry.writable == 0, cr0 & CR0.writeProtect != 0 { allowed = false }
            let prevented = cr4 & CR4.supervisorAccessPrevention != 0 && !alignmentCheck
            if isUserPage, prevented, !access.contains(.fetch) { allowed = false }
        }
        if !allowed { throw fault(linear, access, isPresent: true) }
    }

    /// Intel SDM 3, 4.7: the error code of #PF.
    private func fault(_ linear: UInt64, _ access: Access, isPresent: Bool) -> TranslationError {
        var code: UInt32 = isPresent ? 1 : 0
        if access.contains(.write) { code |= 1 << 1 }
        if access.contains(.user) { code |= 1 << 2 }
        if access.contains(.fetch), noExecuteIsOn { code |= 1 << 4 }
        return .pageFault(address: linear, errorCode: code)
    }

    /// Sets the accessed bit, and the dirty bit for a write, unless they are set.
    private func mark(_ place: GuestAddress, _ entry: UInt64, _ access: Access, _ memory: GuestMemory) {
        let wanted = Entry.accessed | (access.contains(.write) ? Entry.dirty : 0)
        guard marks, entry & wanted != wanted, let pointer = unsafe try? memory.hostPointer(place, 1) else { return }
        // SAFETY: hostPointer checked the byte; both bits are in the entry's lowest byte.
        unsafe caisson_set_bits_8(pointer, UInt8(wanted))
    }

    @inline(__always)
    private func load<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type, _ place: GuestAddress, _ memory: GuestMemory
    ) throws(TranslationError) -> Value {
        do { return try memory.load(type, at: place) } catch { throw .notInRAM(place) }
    }
}
