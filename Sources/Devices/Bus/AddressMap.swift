/// Disjoint ranges of addresses, ports or memory, in ascending order, and the device behind each.
///
/// A lookup takes a few instructions: addresses are grouped into blocks, and the low bits of a block's number select a
/// hint, the first entry that any block with these bits can mean. From there the entries are gone through in order,
/// mostly one.
struct AddressMap<Device: Sendable>: Sendable {
    /// A device and the addresses that it claims.
    struct Claim {
        let addresses: ClosedRange<UInt64>
        /// The address at which the device's offset is 0.
        let base: UInt64
        let device: Device
    }

    /// Holds a device where it can be called without counting a reference.
    final class Slot: Sendable {
        let device: Device
        init(_ device: Device) { self.device = device }
    }

    // A slot is used only while its map, which keeps it, is.
    @safe private struct Entry: @unchecked Sendable {
        let first: UInt64
        let last: UInt64
        let base: UInt64
        let slot: Unmanaged<Slot>
    }

    private static var hintCount: UInt64 { 64 }

    private let entries: [Entry]
    private let slots: [Slot]
    private let hints: [Int]
    private let blockShift: UInt64

    /// - Parameter blockShift: the binary logarithm of the addresses in a block.
    /// - Throws: `overlap`, `baseAboveRange`.
    init(_ claims: [Claim], blockShift: UInt64) throws(BusError) {
        let claims = claims.sorted { $0.addresses.lowerBound < $1.addresses.lowerBound }
        for (index, claim) in claims.enumerated() {
            guard claim.base <= claim.addresses.lowerBound else {
                throw .baseAboveRange(base: claim.base, range: claim.addresses)
            }
            guard index == 0 || claims[index - 1].addresses.upperBound < claim.addresses.lowerBound else {
                throw .overlap(first: claims[index - 1].addresses, second: claim.addresses)
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

    private static func hints(_ claims: [Claim], _ blockShift: UInt64) -> [Int] {
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
    func withDevice<Result>(at address: UInt64, width: Int, _ body: (Slot, UInt64) -> Result) -> Result? {
        var index = hints[Int(truncatingIfNeeded: address &>> blockShift & (Self.hintCount &- 1))]
        while index < entries.count, entries[index].last < address { index &+= 1 }
        guard index < entries.count, entries[index].first <= address,
            entries[index].last &- address >= UInt64(truncatingIfNeeded: width &- 1)
        else { return nil }
        let offset = address &- entries[index].base
        // SAFETY: `slots` keeps the slot for as long as this map is in use.
        return unsafe entries[index].slot._withUnsafeGuaranteedRef { body($0, offset) }
    }
}
