/// Writes small pieces, each behind the one before, in large ones. What is in between becomes zeroes.
struct BufferedOutput {
    private let file: UnnamedFile
    private var start = 0
    private var buffer: [UInt8] = []

    private static let bufferSize = 1 << 20

    init(_ file: UnnamedFile) { self.file = file }

    mutating func write(_ bytes: [UInt8], at offset: Int) throws(ImageStoreError) {
        precondition(offset >= start + buffer.count)
        if buffer.count >= Self.bufferSize {
            try flush()
            start = offset
        }
        buffer += repeatElement(0, count: offset - start - buffer.count)
        buffer += bytes
    }

    mutating func flush() throws(ImageStoreError) {
        try file.write(buffer, at: UInt64(start))
        start += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }
}
