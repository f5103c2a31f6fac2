/// Frames as they are put together: a byte of type, three of the payload's length, the payload. Numbers are little-endian, texts
/// end with a NUL.
struct FrameWriter {
    private(set) var bytes: [UInt8] = []
    private var start = 0

    var count: Int { bytes.count }

    mutating func begin(_ type: FrameType) {
        start = bytes.count
        bytes += [type.rawValue, 0, 0, 0]
    }

    /// The frame's length is known now.
    mutating func end() {
        let size = bytes.count - start - AgentProtocol.headerSize
        precondition(size <= AgentProtocol.requestLimit)
        for index in 0..<3 { bytes[start + 1 + index] = UInt8(truncatingIfNeeded: size >> (8 * index)) }
    }

    mutating func append<Number: FixedWidthInteger & UnsignedInteger>(_ number: Number) {
        for index in 0..<(Number.bitWidth / 8) { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
    }

    /// A text ends at its first NUL, which the agent's system calls could not take either.
    mutating func append(text: String) {
        for byte in text.utf8 {
            if byte == 0 { break }
            bytes.append(byte)
        }
        bytes.append(0)
    }

    mutating func append(_ span: Span<UInt8>) {
        bytes.reserveCapacity(bytes.count + span.count)
        for index in span.indices { bytes.append(span[index]) }
    }

    /// The first `count` bytes are on their way.
    mutating func removeFirst(_ count: Int) { bytes.removeFirst(count) }
}
