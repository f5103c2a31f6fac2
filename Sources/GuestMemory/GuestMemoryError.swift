/// Why guest memory could not be made or reached.
package enum GuestMemoryError: Error, Equatable {
    /// The range is not wholly inside one region of RAM.
    case notInRAM(address: GuestAddress, count: UInt64)
    /// An ordered access has to be aligned to its size.
    case misaligned(address: GuestAddress, alignment: Int)
    /// The size asked for is zero, not a whole number of 4 KiB pages, or more than an address can say.
    case invalidSize(UInt64)
    /// The host refused to map that many bytes (`mmap`'s errno).
    case cannotMap(size: UInt64, errno: Int32)
    /// Reading a file into memory failed (`pread`'s errno).
    case cannotRead(errno: Int32)
    /// The file ended `missing` bytes before what was to be read.
    case endOfFile(missing: UInt64)
}

extension GuestMemoryError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notInRAM(let address, let count): "\(count) bytes at guest address \(address) are not in guest RAM"
        case .misaligned(let address, let alignment): "guest address \(address) is not aligned to \(alignment) bytes"
        case .invalidSize(let size): "\(size) bytes are not a whole number of 4 KiB pages, 1 or more, up to 64 TiB"
        case .cannotMap(let size, let errno): "the host cannot map \(size) bytes of guest memory (errno \(errno))"
        case .cannotRead(let errno): "reading into guest memory failed (errno \(errno))"
        case .endOfFile(let missing): "the file ends \(missing) bytes too early"
        }
    }
}
