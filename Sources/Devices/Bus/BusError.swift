/// Why a bus cannot be built.
package enum BusError: Error, Equatable {
    /// Two devices claim the addresses of `second` that `first` has too.
    case overlap(first: ClosedRange<UInt64>, second: ClosedRange<UInt64>)
    /// A device's base lies above its first address.
    case baseAboveRange(base: UInt64, range: ClosedRange<UInt64>)
}

extension BusError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .overlap(let first, let second):
            "two devices claim the same addresses: \(hexadecimal(first)) and \(hexadecimal(second))"
        case .baseAboveRange(let base, let range):
            "a device's base 0x\(String(base, radix: 16)) lies above its addresses \(hexadecimal(range))"
        }
    }
}

private func hexadecimal(_ range: ClosedRange<UInt64>) -> String {
    "0x\(String(range.lowerBound, radix: 16)) to 0x\(String(range.upperBound, radix: 16))"
}
