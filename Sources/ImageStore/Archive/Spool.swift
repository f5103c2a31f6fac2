/// Where the bytes of files wait until it is known which of them the image has. It has no name, and ends with its owner.
final class Spool {
    let file: UnnamedFile
    private var end: UInt64 = 0

    /// Of files' first bytes: file systems that let files share their blocks do so.
    private static let alignment: UInt64 = 4096

    init(in directory: String) throws(ImageStoreError) { file = try UnnamedFile(in: directory) }

    /// Room for a file; until it is written, its bytes are zeroes.
    func reserve(_ count: UInt64) -> Extent {
        defer { end = (end + count + Self.alignment - 1) / Self.alignment * Self.alignment }
        return Extent(offset: end, count: count)
    }

    /// A few of the bytes.
    func bytes(_ extent: Extent) throws(ImageStoreError) -> [UInt8] {
        try file.bytes(Int(extent.count), at: extent.offset)
    }
}
