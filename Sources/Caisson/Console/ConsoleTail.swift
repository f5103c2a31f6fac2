import Synchronization

/// The end of what a guest wrote to a console that goes nowhere: what it said last, if it crashes.
final class ConsoleTail: Sendable {
    /// Bytes kept.
    static let limit = 4096

    private let bytes = Mutex<[UInt8]>([])

    func append(_ new: Span<UInt8>) {
        bytes.withLock { bytes in
            for index in new.indices { bytes.append(new[index]) }
            if bytes.count > 2 * Self.limit { bytes.removeFirst(bytes.count - Self.limit) }
        }
    }

    /// Its last lines, as a terminal can show them.
    func lines(atMost count: Int) -> [String] {
        let text = bytes.withLock { String(decoding: $0.suffix(Self.limit), as: UTF8.self) }
        let lines = text.split(whereSeparator: \.isNewline).suffix(count)
        return lines.map { line in
            String(
                String.UnicodeScalarView(
                    line.unicodeScalars.map { $0.value >= 0x20 && $0.value < 0x7f ? $0 : "?" }))
        }
    }
}
