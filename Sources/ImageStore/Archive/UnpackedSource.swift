/// What is in a file that may be compressed; its bytes as they are if it is not.
final class UnpackedSource: ByteSource {
    private let handle: ArchiveHandle
    private var hasBegun = false
    private var isAtEnd = false

    init(_ source: any ByteSource, name: String) throws(ImageStoreError) {
        handle = try ArchiveHandle(.compressed, from: source, name: name)
    }

    func next() throws(ImageStoreError) -> UnsafeRawBufferPointer {
        if !hasBegun {
            hasBegun = true
            isAtEnd = try unsafe handle.nextHeader() == nil
        }
        while !isAtEnd {
            // SAFETY: they stay until the next call, as a source's bytes do.
            guard let (bytes, _) = try unsafe handle.nextData() else { break }
            if unsafe !bytes.isEmpty { return unsafe bytes }
        }
        isAtEnd = true
        return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    }
}
