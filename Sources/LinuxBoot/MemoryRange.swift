/// A run of guest-physical addresses that does not wrap.
package struct MemoryRange: Equatable, Sendable {
    package let start: UInt64
    /// The first address past the range.
    package let end: UInt64

    /// - Precondition: `start <= end`.
    package init(_ start: UInt64, upTo end: UInt64) {
        precondition(start <= end)
        self.start = start
        self.end = end
    }

    /// The range of `count` bytes at `start`, or nil where that is beyond 2^64 - 1.
    package init?(at start: UInt64, count: UInt64) {
        let (end, overflow) = start.addingReportingOverflow(count)
        guard !overflow else { return nil }
        self.init(start, upTo: end)
    }

    /// Bytes.
    package var count: UInt64 { end - start }
    package var isEmpty: Bool { start == end }

    package func overlaps(_ other: MemoryRange) -> Bool {
        !isEmpty && !other.isEmpty && start < other.end && other.start < end
    }

    package func contains(_ address: UInt64) -> Bool { address >= start && address < end }
    package func contains(_ other: MemoryRange) -> Bool { other.start >= start && other.end <= end }
}

extension MemoryRange: CustomStringConvertible {
    package var description: String { "\(hexadecimal(start))..<\(hexadecimal(end))" }
}
