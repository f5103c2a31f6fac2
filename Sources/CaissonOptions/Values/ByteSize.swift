/// Bytes as people write them: `512M`, `1.5G`, `134217728`.
package struct ByteSize: Equatable {
    package var bytes: UInt64

    private static let units: [(name: String, shift: UInt64)] = [("T", 40), ("G", 30), ("M", 20), ("K", 10)]

    package init(_ bytes: UInt64) { self.bytes = bytes }

    /// Reads a number, whole or with a decimal fraction, and a unit: K, M, G or T in either case, alone or followed by
    /// `B` or `iB`. All are powers of 1024. A part of a byte counts as a whole one.
    ///
    /// Nil for anything else, and for what 64 bits cannot hold.
    package init?(parsing text: String) {
        guard let (number, unit) = DecimalNumber.prefix(of: text) else { return nil }
        var factor: UInt64 = 1
        if !unit.isEmpty {
            let form = unit.uppercased()
            guard let unit = Self.units.first(where: { [$0.name, $0.name + "B", $0.name + "IB"].contains(form) })
            else { return nil }
            factor = 1 << unit.shift
        }
        guard let bytes = number.roundedUp(times: factor) else { return nil }
        self.bytes = bytes
    }
}

extension ByteSize: CustomStringConvertible {
    /// In the largest unit that leaves a whole number; from 10 GiB up, whole gigabytes rounded down.
    package var description: String {
        for (name, shift) in Self.units where bytes >> shift > 0 {
            if bytes & (1 << shift - 1) == 0 || (shift == 30 && bytes >> shift >= 10) {
                return "\(bytes >> shift)\(name)"
            }
        }
        return "\(bytes)"
    }
}
