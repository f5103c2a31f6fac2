import HostIO

/// Where to keep what the guest writes, as the user writes it: `FILE[,size=SIZE]`. A comma in the path is written twice.
package struct LayerSpecification: Equatable {
    package var path: String
    /// Of a new file system, in bytes.
    package var size: UInt64 = 16 << 30

    private static let sizes: ClosedRange<UInt64> = 16 << 20...1 << 44

    /// - Throws: `usage`.
    package init(_ text: String) throws(CommandError) {
        func refuse(_ why: String) -> CommandError { .usage("--keep '\(text)' keeps nothing: \(why)") }
        var words = CommaWords.split(text)
        path = words.removeFirst()
        guard !path.isEmpty, !path.utf8.contains(0) else { throw refuse("it begins with a file's path") }
        for word in words {
            guard word.hasPrefix("size="), words.count == 1 else {
                throw refuse("'\(word)' is not known: use size=SIZE, once at most")
            }
            guard let size = ByteSize(parsing: String(word.dropFirst(5))), Self.sizes.contains(size.bytes) else {
                throw refuse(
                    "'\(word)' is no size: use a number and K, M, G or T, \(ByteSize(Self.sizes.lowerBound)) to \(ByteSize(Self.sizes.upperBound)), as in size=16G"
                )
            }
            self.size = size.bytes
        }
    }
}
