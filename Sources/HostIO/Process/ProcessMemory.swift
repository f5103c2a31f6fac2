/// What the process holds of the host's memory, as the kernel counts it.
package struct ProcessMemory: Equatable, Sendable {
    /// Bytes of some of the process's mappings.
    package struct Part: Equatable, Sendable {
        /// What is in memory.
        package var resident: UInt64 = 0
        /// The same, with what several processes share divided by their number.
        package var proportional: UInt64 = 0
    }

    /// The mappings asked for.
    package var inside = Part()
    /// All others.
    package var outside = Part()

    /// Of this process now; nil where /proc does not tell.
    /// - Parameter addresses: what counts as inside.
    package init?(addresses: Range<UInt>) {
        guard let text = try? HostFile.text(of: "/proc/self/smaps", limit: 64 << 20) else { return nil }
        self.init(text, addresses: addresses)
    }

    /// From the text of /proc/PID/smaps. A mapping that has part of the addresses is inside.
    init(_ text: String, addresses: Range<UInt>) {
        var isInside = false
        for line in Array(text.utf8).split(separator: UInt8(ascii: "\n")) {
            if let range = Self.addresses(of: line) {
                isInside = range.overlaps(addresses)
                continue
            }
            let field: WritableKeyPath<Part, UInt64>
            if line.starts(with: "Rss:".utf8) {
                field = \.resident
            } else if line.starts(with: "Pss:".utf8) {
                field = \.proportional
            } else {
                continue
            }
            let digits = line.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            let bytes = (UInt64(String(decoding: digits, as: UTF8.self)) ?? 0) << 10
            if isInside { inside[keyPath: field] += bytes } else { outside[keyPath: field] += bytes }
        }
    }

    /// Of a line like `7f12a000-7f12b000 rw-p …`, which begins a mapping; fields have names with capitals.
    private static func addresses(of line: ArraySlice<UInt8>) -> Range<UInt>? {
        let parts = line.prefix { $0 != UInt8(ascii: " ") }.split(separator: UInt8(ascii: "-"), maxSplits: 1)
        guard parts.count == 2, let start = UInt(String(decoding: parts[0], as: UTF8.self), radix: 16),
            let end = UInt(String(decoding: parts[1], as: UTF8.self), radix: 16), start < end
        else { return nil }
        return start..<end
    }
}
