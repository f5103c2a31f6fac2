/// A frame that the guest sent.
struct Frame {
    let type: UInt8
    let payload: ArraySlice<UInt8>
}

/// Takes frames out of a stream's bytes, which come in any pieces. It keeps one frame at most.
struct FrameReader {
    private var bytes: [UInt8] = []
    private var start = 0

    /// - Parameter new: at most 64 KiB: what is kept is bounded by that and a frame.
    mutating func append(_ new: Span<UInt8>) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.reserveCapacity(bytes.count + new.count)
        for index in new.indices { bytes.append(new[index]) }
    }

    /// The next whole frame.
    mutating func next() throws(AgentProtocolError) -> Frame? {
        guard bytes.count - start >= AgentProtocol.headerSize else { return nil }
        let size = Int(bytes[start + 1]) | Int(bytes[start + 2]) << 8 | Int(bytes[start + 3]) << 16
        guard size <= AgentProtocol.replyLimit else { throw .frameTooLong(size) }
        let first = start + AgentProtocol.headerSize
        guard bytes.count - first >= size else { return nil }
        defer { start = first + size }
        return Frame(type: bytes[start], payload: bytes[first..<first + size])
    }
}

/// A payload as it is read, from its front.
struct PayloadReader {
    private var rest: ArraySlice<UInt8>
    private let type: UInt8

    init(_ frame: Frame) {
        rest = frame.payload
        type = frame.type
    }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
        _: Number.Type = Number.self
    ) throws(AgentProtocolError) -> Number {
        let size = Number.bitWidth / 8
        guard rest.count >= size else { throw .malformed(type) }
        var value: Number = 0
        for byte in rest.prefix(size).reversed() { value = value << 8 | Number(byte) }
        rest.removeFirst(size)
        return value
    }

    mutating func stream() throws(AgentProtocolError) -> CommandStream {
        guard let stream = CommandStream(rawValue: try number()) else { throw .malformed(type) }
        return stream
    }

    /// All that is left.
    mutating func bytes() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }

    /// What is left, up to a NUL, as text that a terminal can show: the guest chose it.
    mutating func text() -> String {
        let shown = rest.prefix { $0 != 0 }.prefix(AgentProtocol.textLimit)
        rest = []
        let text = String(decoding: shown, as: UTF8.self)
        return String(String.UnicodeScalarView(text.unicodeScalars.map { Self.isPrintable($0) ? $0 : "?" }))
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }

    func end() throws(AgentProtocolError) {
        guard rest.isEmpty else { throw .malformed(type) }
    }
}
