/// Disjoint ranges of addresses in ascending order, and the device behind each.
///
/// A lookup takes a few instructions: addresses are grouped into blocks, and the low bits of a block's number select a
/// hint, the first entry that any block with these bits can mean. From there the entries are gone through in order,
/// mostly one.
struct AddressMap<Address: FixedWidthInteger & UnsignedInteger & Sendable, Device: Sendable>: Sendable {
    /// A device and the addresses that it claims.
    struct Claim {
        let addresses: ClosedRange<Address>
        /// The address at which the device's offset is 0.
        let base: Address
        let device: Device
    }

    /// Holds a device where it can be called without counting a reference.
    final class Slot: Sendable {
        let device: Device
        init(_ device: Device) { self.device = device }
    }

    // A slot is used only while its map, which keeps it, is.
    @safe private struct Entry: @unchecked Sendable {
        let first: Address
        let last: Address
        let base: Address
        let slot: Unmanaged<Slot>
    }

    private static var hintCount: Address { 64 }

    private let entries: [Entry]
    private let slots: [Slot]
    private let hints: [Int]
    private let blockShift: Address

    /// - Parameter blockShift: the binary logarithm of the addresses in a block.
    /// - Throws: `overlap`, `baseAboveRange`.
    init(_ claims: [Claim], blockShift: Address) throws(BusError) {
        let claims = claims.sorted { $0.addresses.lowerBound < $1.addresses.lowerBound }
        for (index, claim) in claims.enumerated() {
            guard claim.base <= claim.addresses.lowerBound else {
                throw .baseAboveRange(base: UInt64(claim.base), range: claim.range)
            }
            guard index == 0 || claims[index - 1].addresses.upperBound < claim.addresses.lowerBound else {
                throw .overlap(first: claims[index - 1].range, second: claim.range)
            }
        }
        self.blockShift = blockShift
        hints = Self.hints(claims, blockShift)
        slots = claims.map { Slot($0.device) }
        entries = zip(claims, slots).map { claim, slot in
            unsafe Entry(
                first: claim.addresses.lowerBound, last: claim.addresses.upperBound, base: claim.base,
                slot: Unmanaged.passUnretained(slot))
        }
    }

    private static func hints(_ claims: [Claim], _ blockShift: Address) -> [Int] {
        var hints = [Int](repeating: claims.count, count: Int(hintCount))
        for (index, claim) in claims.enumerated() {
            let first = claim.addresses.lowerBound >> blockShift
            let last = claim.addresses.upperBound >> blockShift
            for step in 0...min(last - first, hintCount - 1) {
                let hint = Int((first + step) % hintCount)
                hints[hint] = min(hints[hint], index)
            }
        }
        return hints
    }

    /// Calls `body` with the device that has all of the `width` bytes from `address`, and the address's offset from
    /// the device's base. Returns `nil` when there is none.
    @inline(__always)
    func withDevice<Result>(at address: Address, width: Int, _ body: (Slot, Address) -> Result) -> Result? {
        var index = hints[Int(truncatingIfNeeded: address &>> blockShift & (Self.hintCount &- 1))]
        while index < entries.count, entries[index].last < address { index &+= 1 }
        guard index < entries.count, entries[index].first <= address,
            entries[index].last &- address >= Address(truncatingIfNeeded: width &- 1)
        else { return nil }
        let offset = address &- entries[index].base
        // SAFETY: `slots` keeps the slot for as long as this map is in use.
        return unsafe entries[index].slot._withUnsafeGuaranteedRef { body($0, offset) }
    }
}

extension AddressMap.Claim {
    fileprivate var range: ClosedRange<UInt64> { UInt64(addresses.lowerBound)...UInt64(addresses.upperBound) }
}
