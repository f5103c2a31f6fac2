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
    /// The size is not a whole number of the backing's pages.
    case notWholePages(size: UInt64, pageSize: UInt64)
    /// The host has not as many huge pages of 2 MiB free.
    case noHugePages(count: UInt64, errno: Int32)
    /// The host's kernel does not have this kind of memory (`madvise`'s errno).
    case cannotBack(MemoryBacking, errno: Int32)
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
        case .notWholePages(let size, let pageSize):
            "\(size) bytes of guest memory are not a whole number of pages of \(pageSize) bytes"
        case .noHugePages(let count, let errno):
            "the host has no \(count) huge pages of 2 MiB free for guest memory (errno \(errno)): set them aside "
                + "(sudo sysctl vm.nr_hugepages=\(count)), or use transparent huge pages"
        case .cannotBack(.mergeable, let errno):
            "the host's kernel cannot merge equal pages of guest memory (errno \(errno)): it was built without KSM"
        case .cannotBack(_, let errno):
            "the host's kernel has no transparent huge pages for guest memory (errno \(errno))"
        case .cannotRead(let errno): "reading into guest memory failed (errno \(errno))"
        case .endOfFile(let missing): "the file ends \(missing) bytes too early"
        }
    }
}
