import TestSupport
import Testing

@testable import GuestAgent

@Suite struct PackReaderTests {
    static let attributes = PackedAttributes(mode: 0o644, user: 1000, group: 7, modified: (1_700_000_000, 5))

    /// A directory with a file that has a hole, a link, a pipe and an empty directory.
    static let whole: [UInt8] =
        entry(1, "top") + entry(2, "f") + extent(3, [1, 2]) + extent(9, [3]) + end(12) + entry(3, "l")
        + extent(0, Array("../x".utf8)) + end(4) + entry(4, "p") + entry(1, "d") + entry(0, "") + entry(0, "")

    static let events = [
        "d top", "f f", "w 3 [1, 2]", "w 9 [3]", "e 12", "l l ../x", "p p", "d d", "up", "up",
    ]

    static func entry(_ kind: UInt8, _ name: String, mode: UInt32 = 0o644) -> [UInt8] {
        [kind, 0] + number(name.utf8.count, 2) + number(Int(mode), 4) + number(1000, 4) + number(7, 4)
            + number(1_700_000_000, 8) + number(5, 4) + number(0, 4) + Array(name.utf8)
    }

    static func extent(_ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
        number(offset, 8) + number(bytes.count, 4) + number(0, 4) + bytes
    }

    static func end(_ size: Int) -> [UInt8] { number(size, 8) + number(0, 8) }

    static func number(_ value: Int, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    /// Notes what comes, and holds it to what a reader promises.
    struct Recorder: PackReceiver {
        enum Failure: Error { case refused }

        var events: [String] = []
        var depth = 0
        var isInFile = false
        var refusesAfter = Int.max

        private mutating func note(_ event: String) throws(Failure) {
            guard events.count < refusesAfter else { throw .refused }
            events.append(event)
        }

        private func text(_ name: [UInt8], _ attributes: PackedAttributes) -> String {
            #expect((1...255).contains(name.count) && !name.contains(0) && !name.contains(47))
            #expect(name != [46] && name != [46, 46] && !isInFile)
            #expect(attributes.mode <= 0o7777 && attributes.modified.nanoseconds < 1_000_000_000)
            return String(decoding: name, as: UTF8.self)
        }

        mutating func beginDirectory(_ name: [UInt8], _ attributes: PackedAttributes) throws(Failure) {
            depth += 1
            #expect(depth <= PackReader.deepest)
            try note("d \(text(name, attributes))")
        }
        mutating func endDirectory() throws(Failure) {
            #expect(depth > 0)
            depth -= 1
            try note("up")
        }
        mutating func beginFile(_ name: [UInt8], _ attributes: PackedAttributes) throws(Failure) {
            let text = text(name, attributes)
            isInFile = true
            try note("f \(text)")
        }
        mutating func write(_ bytes: Span<UInt8>, at offset: UInt64) throws(Failure) {
            #expect(isInFile && !bytes.isEmpty && offset <= UInt64(Int64.max) - UInt64(bytes.count))
            try note("w \(offset) \(bytes.indices.map { bytes[$0] })")
        }
        mutating func endFile(size: UInt64) throws(Failure) {
            #expect(isInFile && size <= UInt64(Int64.max))
            isInFile = false
            try note("e \(size)")
        }
        mutating func link(_ name: [UInt8], to target: [UInt8], _ attributes: PackedAttributes) throws(Failure) {
            #expect((1...4095).contains(target.count) && !target.contains(0))
            try note("l \(text(name, attributes)) \(String(decoding: target, as: UTF8.self))")
        }
        mutating func fifo(_ name: [UInt8], _ attributes: PackedAttributes) throws(Failure) {
            try note("p \(text(name, attributes))")
        }
    }

    @Test func `files are told as they come`() throws {
        var (reader, recorder) = (PackReader(), Recorder())
        try reader.receive(Self.whole.span, by: &recorder)
        #expect(recorder.events == Self.events)
        #expect(reader.isWhole)
    }

    @Test func `it does not matter where the bytes are cut`() throws {
        for cut in 1..<Self.whole.count {
            var (reader, recorder) = (PackReader(), Recorder())
            try reader.receive(Self.whole.span.extracting(first: cut), by: &recorder)
            #expect(!reader.isWhole)
            try reader.receive(Self.whole.span.extracting(droppingFirst: cut), by: &recorder)
            #expect(reader.isWhole)
            // Data comes in pieces then.
            #expect(recorder.events.filter { !$0.hasPrefix("w") } == Self.events.filter { !$0.hasPrefix("w") })
        }
    }

    static let nonsense: [[UInt8]] = [
        entry(5, "x"), entry(2, ""), entry(2, "a/b"), entry(2, "."), entry(2, ".."), entry(2, "a\0"), entry(0, ""),
        entry(0, "x"), entry(2, String(repeating: "x", count: 256)), entry(2, "x") + extent(Int.max, [1]),
        entry(2, "x") + number(-1, 8) + number(0, 8), entry(3, "x") + end(0),
        entry(3, "x") + extent(0, [65, 0]) + end(2), entry(3, "x") + extent(0, [UInt8](repeating: 65, count: 4096)),
        entry(1, "x") + entry(0, "") + [0], entry(4, "x") + entry(4, "y"),
        Array(entry(2, "x").prefix(24)) + number(1_000_000_000, 4) + number(0, 4) + [120],
    ]

    @Test(arguments: nonsense) func `what no agent sends is refused`(bytes: [UInt8]) {
        var (reader, recorder) = (PackReader(), Recorder())
        #expect {
            try reader.receive(bytes.span, by: &recorder)
        } throws: {
            if case PackError<Recorder.Failure>.malformed = $0 { true } else { false }
        }
    }

    @Test func `directories are in each other to some depth`() throws {
        var (reader, recorder) = (PackReader(), Recorder())
        for _ in 0..<PackReader.deepest { try reader.receive(Self.entry(1, "d").span, by: &recorder) }
        #expect {
            try reader.receive(Self.entry(1, "d").span, by: &recorder)
        } throws: {
            if case PackError<Recorder.Failure>.tooDeep = $0 { true } else { false }
        }
    }

    @Test func `a receiver's failure ends it`() {
        for count in 0..<Self.events.count {
            var (reader, recorder) = (PackReader(), Recorder(refusesAfter: count))
            #expect {
                try reader.receive(Self.whole.span, by: &recorder)
            } throws: {
                if case PackError<Recorder.Failure>.receiver = $0 { true } else { false }
            }
        }
    }

    @Test(arguments: 0..<8) func `no bytes do harm`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var (wholes, refused) = (0, 0)
        for _ in 0..<2000 {
            var bytes = Self.whole
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: bytes.remove(at: index)
                default: bytes.insert(contentsOf: bytes[index...].prefix(40), at: index)
                }
            }
            var (reader, recorder) = (PackReader(), Recorder())
            var rest = bytes.span
            do {
                while !rest.isEmpty {
                    let count = min(rest.count, Int.random(in: 1...64, using: &random))
                    try reader.receive(rest.extracting(first: count), by: &recorder)
                    rest = rest.extracting(droppingFirst: count)
                }
                if reader.isWhole {
                    wholes += 1
                    #expect(recorder.depth == 0 && !recorder.isInFile)
                }
            } catch { refused += 1 }
        }
        #expect(wholes > 100 && refused > 100)
    }
}
