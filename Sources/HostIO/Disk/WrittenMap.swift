/// Which sectors of a disk were written: a bit each, in chunks that come about when they are needed.
struct WrittenMap {
    private static let wordsPerChunk: UInt64 = 512
    private static let sectorsPerChunk = wordsPerChunk * 64

    private var chunks: [[UInt64]?]
    private let sectorCount: UInt64

    init(sectorCount: UInt64) {
        self.sectorCount = sectorCount
        let chunkCount = (sectorCount + Self.sectorsPerChunk - 1) / Self.sectorsPerChunk
        chunks = [[UInt64]?](repeating: nil, count: Int(chunkCount))
    }

    /// Notes that sectors were written, all of which the disk has.
    mutating func insert(_ sectors: Range<UInt64>) {
        var sector = sectors.lowerBound
        while sector < sectors.upperBound {
            let chunk = Int(sector / Self.sectorsPerChunk)
            let word = Int(sector % Self.sectorsPerChunk / 64)
            let bit = sector % 64
            let count = min(64 - bit, sectors.upperBound - sector)
            let bits = (count == 64 ? .max : (1 << count) - 1) as UInt64
            if chunks[chunk] == nil { chunks[chunk] = [UInt64](repeating: 0, count: Int(Self.wordsPerChunk)) }
            chunks[chunk]?[word] |= bits << bit
            sector += count
        }
    }

    /// How many sectors from the first of `sectors` on are alike, and whether they were written. `sectors` is not empty.
    func run(_ sectors: Range<UInt64>) -> (isWritten: Bool, count: UInt64) {
        let isWritten = isWritten(sectors.lowerBound)
        var sector = sectors.lowerBound
        while sector < sectors.upperBound {
            // A word's bits that differ from the run, from this sector on.
            let other = (isWritten ? ~word(of: sector) : word(of: sector)) >> (sector % 64)
            if other != 0 {
                sector += UInt64(other.trailingZeroBitCount)
                break
            }
            sector += 64 - sector % 64
        }
        return (isWritten, min(sector, sectors.upperBound) - sectors.lowerBound)
    }

    private func isWritten(_ sector: UInt64) -> Bool { word(of: sector) >> (sector % 64) & 1 != 0 }

    private func word(of sector: UInt64) -> UInt64 {
        guard let chunk = chunks[Int(sector / Self.sectorsPerChunk)] else { return 0 }
        return chunk[Int(sector % Self.sectorsPerChunk / 64)]
    }
}
