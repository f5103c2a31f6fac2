/// Fields of little-endian structures in byte arrays.
extension Array where Element == UInt8 {
    /// The integer at `offset`, or nil where the array ends before it does.
    func field<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type, at offset: Int) -> Value? {
        let width = MemoryLayout<Value>.size
        guard offset >= 0, offset <= count - width else { return nil }
        var value: Value = 0
        for index in (offset..<offset + width).reversed() {
            value = value << 8 | Value(truncatingIfNeeded: self[index])
        }
        return value
    }

    /// Sets the integer at `offset`.
    /// - Precondition: it lies inside the array.
    mutating func set<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value, at offset: Int) {
        for index in 0..<MemoryLayout<Value>.size {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
    }

    mutating func append<Value: FixedWidthInteger & UnsignedInteger>(field value: Value) {
        for index in 0..<MemoryLayout<Value>.size {
            append(UInt8(truncatingIfNeeded: value >> (8 * index)))
        }
    }

    /// Appends zeros until the count is a multiple of `alignment`.
    mutating func pad(to alignment: Int) {
        append(contentsOf: repeatElement(0, count: (alignment - count % alignment) % alignment))
    }

    /// Whether the bytes at `offset` are `pattern`.
    func has(_ pattern: [UInt8], at offset: Int = 0) -> Bool {
        offset >= 0 && offset <= count - pattern.count
            && self[offset..<offset + pattern.count].elementsEqual(pattern)
    }
}

extension UInt64 {
    /// Rounded down to a multiple of `alignment`, a power of two.
    func alignedDown(to alignment: UInt64) -> UInt64 { self & ~(alignment - 1) }

    /// Rounded up to a multiple of `alignment`, a power of two; nil beyond 2^64.
    func alignedUp(to alignment: UInt64) -> UInt64? {
        let (sum, overflow) = addingReportingOverflow(alignment - 1)
        return overflow ? nil : sum.alignedDown(to: alignment)
    }
}
