import CLinux
import GuestMemory

/// Where a memory operand lies, on one page or two, and what the guest may do there.
struct NativeOperand {
    struct Page {
        let linear: UInt64
        var rights: Int32 = PROT_NONE
    }

    let linear: UInt64
    let span: Int
    /// How the guest's memory is reached: by the guest's privilege level.
    let access: Access
    private(set) var first: Page
    private(set) var second: Page

    /// The operand's place in the window.
    var offset: Int { Int(linear & 4095) }
    /// Bytes of the span on the first page, and on the second.
    var firstCount: Int { min(span, 4096 - offset) }
    var secondCount: Int { span - firstCount }

    /// - Parameter span: how far the operand may reach, in bytes, at most 4096.
    /// - Throws: `nonCanonical` only. What cannot be reached for another reason may not be touched after all.
    init(_ linear: UInt64, span: Int, _ special: kvm_sregs, _ space: LinearMemory) throws(TranslationError) {
        self.linear = linear
        self.span = span
        access = special.privilegeLevel == 3 ? .user : .read
        first = Page(linear: linear & ~4095)
        second = Page(linear: (linear & ~4095) &+ 4096)
        first.rights = try Self.rights(first.linear, access, space)
        if secondCount > 0 { second.rights = (try? Self.rights(second.linear, access, space)) ?? PROT_NONE }
    }

    private static func rights(
        _ linear: UInt64, _ access: Access, _ space: LinearMemory
    ) throws(TranslationError) -> Int32 {
        let walk = space.walk.peeking
        do {
            let place = try walk.translate(linear, access, in: space.memory)
            guard space.memory.contains(place, count: 4096) else { return PROT_NONE }
        } catch {
            if case .nonCanonical = error { throw error }
            return PROT_NONE
        }
        let isWritable = (try? walk.translate(linear, access.union(.write), in: space.memory)) != nil
        return isWritable ? PROT_READ | PROT_WRITE : PROT_READ
    }
}

// MARK: - The window

extension NativeEngine {
    private var window: UnsafeMutableRawPointer {
        // SAFETY: two pages that live as long as the engine.
        unsafe caisson_native_window(handle)
    }

    func address(of operand: NativeOperand) -> UInt64 {
        UInt64(UInt(bitPattern: unsafe window)) + UInt64(operand.offset)
    }

    /// Copies what the guest has at the operand into the window, and gives its pages the guest's rights.
    func fill(_ operand: NativeOperand, _ space: LinearMemory) {
        let all = PROT_READ | PROT_WRITE
        let window = unsafe window
        // SAFETY: the window and its copy have two pages each, and the counts stay inside them.
        _ = unsafe caisson_native_protect(handle, all, all)
        if operand.first.rights != PROT_NONE {
            let place = unsafe window + operand.offset
            unsafe try? space.read(operand.linear, count: operand.firstCount, operand.access, into: place)
            unsafe caisson_copy(before + operand.offset, place, operand.firstCount)
        }
        guard operand.secondCount > 0 else {
            _ = unsafe caisson_native_protect(handle, operand.first.rights, all)
            return
        }
        if operand.second.rights != PROT_NONE {
            let place = unsafe window + 4096
            unsafe try? space.read(operand.second.linear, count: operand.secondCount, operand.access, into: place)
            unsafe caisson_copy(before + 4096, place, operand.secondCount)
        }
        _ = unsafe caisson_native_protect(handle, operand.first.rights, operand.second.rights)
    }

    /// Stores what the instruction changed in the window into the guest's memory.
    func writeBack(_ operand: NativeOperand, _ space: LinearMemory) {
        if operand.first.rights & PROT_WRITE != 0 {
            writeBack(operand.first.linear, operand.access, operand.offset, operand.firstCount, space)
        }
        if operand.secondCount > 0, operand.second.rights & PROT_WRITE != 0 {
            writeBack(operand.second.linear, operand.access, 4096, operand.secondCount, space)
        }
    }

    /// Only the bytes between the first and the last that changed in each aligned word of 8 are stored, in as few accesses
    /// as they can be: what other vCPUs write beside them stays.
    private func writeBack(
        _ page: UInt64, _ access: Access, _ start: Int, _ count: Int, _ space: LinearMemory
    ) {
        var target: UnsafeMutableRawPointer?
        var word = start & ~7
        while word < start + count {
            defer { word += 8 }
            // SAFETY: both buffers have two pages, and the word is aligned and inside them.
            let old = unsafe caisson_load_64(before + word)
            let new = unsafe caisson_load_64(window + word)
            // Bytes of the word outside the operand are not the guest's.
            let lowest = max(start - word, 0)
            let highest = min(start + count - word, 8) - 1
            let mask = UInt64.max << UInt64(lowest * 8) & UInt64.max >> UInt64((7 - highest) * 8)
            let difference = (old ^ new) & mask
            guard difference != 0 else { continue }
            if unsafe target == nil {
                unsafe target = try? space.pointer(page, count: 4096, access.union(.write))
            }
            guard let target = unsafe target else { return }
            let first = difference.trailingZeroBitCount / 8
            let last = 7 - difference.leadingZeroBitCount / 8
            // SAFETY: pointer() checked the page.
            unsafe store(new, from: first, through: last, at: target + (word & 4095))
        }
    }

    private func store(_ word: UInt64, from first: Int, through last: Int, at place: UnsafeMutableRawPointer) {
        var index = first
        while index <= last {
            let left = last - index + 1
            let value = word >> UInt64(index * 8)
            // SAFETY: the bytes lie in the word at `place`.
            if left >= 8 {
                unsafe caisson_store_64(place, value)
                index += 8
            } else if left >= 4, index & 3 == 0 {
                unsafe caisson_store_32(place + index, UInt32(truncatingIfNeeded: value))
                index += 4
            } else if left >= 2, index & 1 == 0 {
                unsafe caisson_store_16(place + index, UInt16(truncatingIfNeeded: value))
                index += 2
            } else {
                unsafe caisson_store_8(place + index, UInt8(truncatingIfNeeded: value))
                index += 1
            }
        }
    }

    /// What a fault of the instruction on the host is to the guest.
    func explain(
        _ fault: caisson_native_fault, _ operand: NativeOperand?, _ special: kvm_sregs, _ space: LinearMemory
    ) -> Completion {
        switch UInt8(truncatingIfNeeded: fault.vector) {
        case Vector.pageFault:
            let distance = fault.address &- UInt64(UInt(bitPattern: unsafe window))
            guard let operand, distance < 2 * 4096 else { return .impossible(.unsupportedInstruction) }
            let linear = operand.first.linear &+ distance
            let isWrite = fault.error_code & 1 << 1 != 0
            do {
                let place = try space.walk.peeking.translate(
                    linear, isWrite ? operand.access.union(.write) : operand.access, in: space.memory)
                return .impossible(.accessOutsideRAM(place))
            } catch {
                return Completion(error)
            }
        case Vector.generalProtection: return .exception(vector: Vector.generalProtection, errorCode: 0)
        case Vector.simdFloatingPoint where special.cr4 & CR4.simdExceptions == 0:
            return .exception(vector: Vector.invalidOpcode, errorCode: nil)
        case let vector
        where vector == Vector.divideError || vector == Vector.invalidOpcode || vector == Vector.floatingPoint
            || vector == Vector.simdFloatingPoint:
            return .exception(vector: vector, errorCode: nil)
        default: return .impossible(.unsupportedInstruction)
        }
    }
}

extension Completion {
    /// The exception that an access which cannot be translated raises.
    init(_ error: TranslationError, isStack: Bool = false) {
        switch error {
        case .pageFault(let address, let errorCode): self = .pageFault(address: address, errorCode: errorCode)
        case .nonCanonical:
            self = .exception(vector: isStack ? Vector.stackFault : Vector.generalProtection, errorCode: 0)
        case .notInRAM(let place): self = .impossible(.accessOutsideRAM(place))
        }
    }
}
