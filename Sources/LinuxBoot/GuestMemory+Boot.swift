import GuestMemory

/// Writing to places that the loader has already checked to be RAM.
extension GuestMemory {
    /// Where low RAM ends: at most at the MMIO hole.
    var lowEnd: UInt64 { min(size, Self.holeStart.rawValue) }

    /// - Precondition: the whole range is RAM.
    func place(_ bytes: [UInt8], at address: UInt64) {
        do { try write(bytes, at: GuestAddress(address)) } catch {
            preconditionFailure("the loader writes to checked RAM only: \(error)")
        }
    }

    /// - Precondition: the whole range is RAM.
    func clear(_ range: MemoryRange) {
        do { try fill(GuestAddress(range.start), count: range.count, with: 0) } catch {
            preconditionFailure("the loader writes to checked RAM only: \(error)")
        }
    }
}
