/// Takes a request apart from its front. Numbers are little-endian; every other order was refused with the first request.
struct MessageReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Bytes left.
    var count: Int { bytes.count - position }

    mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self
    ) throws(FileError) -> Value {
        let size = MemoryLayout<Value>.size
        guard count >= size else { throw .invalid }
        var value: Value = 0
        for index in 0..<size { value |= Value(bytes[position + index]) << Value(8 * index) }
        position += size
        return value
    }

    mutating func skip(_ size: Int) throws(FileError) {
        guard count >= size else { throw .invalid }
        position += size
    }

    /// What comes before the next NUL, which goes with it.
    mutating func text() throws(FileError) -> ArraySlice<UInt8> {
        guard let end = bytes[position...].firstIndex(of: 0) else { throw .invalid }
        defer { position = end + 1 }
        return bytes[position..<end]
    }

    /// A name in a directory.
    mutating func name() throws(FileError) -> FileName { try FileName(text()) }

    mutating func take(_ size: Int) throws(FileError) -> ArraySlice<UInt8> {
        guard size >= 0, count >= size else { throw .invalid }
        defer { position += size }
        return bytes[position..<position + size]
    }
}
