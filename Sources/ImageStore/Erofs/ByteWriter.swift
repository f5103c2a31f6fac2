/// Little-endian numbers and bytes, one after the other.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append<Number: FixedWidthInteger>(_ number: Number) {
        for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }

    mutating func append(_ more: some Sequence<UInt8>) { bytes += more }

    /// Appends zeroes until there are `count` bytes.
    mutating func pad(to count: Int) {
        if bytes.count < count { bytes += repeatElement(0, count: count - bytes.count) }
    }
}
