/// A guest-physical address. Arithmetic on it is checked: what a guest says may not wrap.
package struct GuestAddress: RawRepresentable, Hashable, Comparable, Codable, Sendable {
    package let rawValue: UInt64

    @inlinable
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// The address `count` bytes further, or nil where that is beyond 2^64.
    @inlinable
    package func advanced(by count: UInt64) -> GuestAddress? {
        let (sum, overflow) = rawValue.addingReportingOverflow(count)
        return overflow ? nil : GuestAddress(sum)
    }

    @inlinable
    package static func < (left: GuestAddress, right: GuestAddress) -> Bool { left.rawValue < right.rawValue }
}

extension GuestAddress: CustomStringConvertible, ExpressibleByIntegerLiteral {
    @inlinable
    package init(integerLiteral value: UInt64) { rawValue = value }

    package var description: String { "0x" + String(rawValue, radix: 16) }
}
