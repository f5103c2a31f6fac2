/// A number as it is written, for instance `1.5`: exact.
struct DecimalNumber {
    /// All digits, without the point.
    private let digits: UInt128
    /// 10 to the power of the digits behind the point.
    private let scale: UInt128

    /// The number that `text` begins with, and what follows it. Nil where there is no digit before the point, none
    /// behind it, or more than 28 in all.
    static func prefix(of text: String) -> (number: DecimalNumber, rest: Substring)? {
        func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
        let whole = text.unicodeScalars.prefix(while: isDigit)
        var rest = text.unicodeScalars[whole.endIndex...]
        var fraction = rest.prefix(0)
        if rest.first == "." {
            fraction = rest.dropFirst().prefix(while: isDigit)
            rest = rest[fraction.endIndex...]
            guard !fraction.isEmpty else { return nil }
        }
        guard !whole.isEmpty, whole.count + fraction.count <= 28,
            let digits = UInt128(String(whole) + String(fraction))
        else { return nil }
        let scale = (0..<fraction.count).reduce(UInt128(1)) { scale, _ in scale * 10 }
        return (DecimalNumber(digits: digits, scale: scale), Substring(rest))
    }

    /// The product's next whole number; nil for what 64 bits cannot hold.
    func roundedUp(times factor: UInt64) -> UInt64? {
        let (product, overflow) = digits.multipliedReportingOverflow(by: UInt128(factor))
        guard !overflow else { return nil }
        let (quotient, remainder) = product.quotientAndRemainder(dividingBy: scale)
        return UInt64(exactly: remainder == 0 ? quotient : quotient + 1)
    }
}
