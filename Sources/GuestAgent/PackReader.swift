/// What a guest's file is besides its name and contents.
package struct PackedAttributes: Equatable, Sendable {
    /// The nine permission bits, and those for set-id and sticky.
    package var mode: UInt16
    package var user: UInt32
    package var group: UInt32
    /// Seconds since 1970, and nanoseconds, below 10^9.
    package var modified: (seconds: Int64, nanoseconds: UInt32)

    package static func == (left: Self, right: Self) -> Bool {
        left.mode == right.mode && left.user == right.user && left.group == right.group
            && left.modified == right.modified
    }
}

/// Takes files as `PackReader` comes upon them: what is in a directory, and its end, follow it; data, and an end, a regular file.
/// Names have 1 to 255 bytes, no slash or NUL, and are neither `.` nor `..`.
package protocol PackReceiver {
    associatedtype Failure: Error

    mutating func beginDirectory(_ name: [UInt8], _ attributes: PackedAttributes) throws(Failure)
    mutating func endDirectory() throws(Failure)
    mutating func beginFile(_ name: [UInt8], _ attributes: PackedAttributes) throws(Failure)
    /// Bytes of the file, before `Int64.max`.
    mutating func write(_ bytes: Span<UInt8>, at offset: UInt64) throws(Failure)
    mutating func endFile(size: UInt64) throws(Failure)
    mutating func link(_ name: [UInt8], to target: [UInt8], _ attributes: PackedAttributes) throws(Failure)
    mutating func fifo(_ name: [UInt8], _ attributes: PackedAttributes) throws(Failure)
}

/// What a guest sent that is no packed file.
package enum PackError<Failure: Error>: Error {
    case malformed
    case tooDeep
    /// The receiver's.
    case receiver(Failure)
}

/// Reads the files that `agent --pack` writes: docs/agent.md. The guest is trusted with nothing.
package struct PackReader {
    private enum Phase {
        case entry
        case extents
        /// So many bytes of a file come next.
        case data(offset: UInt64, count: Int)
        case end
    }

    private enum Kind: UInt8 { case end, directory, file, link, fifo }

    private static let entrySize = 32
    private static let extentSize = 16
    private static let longestName = 255
    private static let longestTarget = 4095
    /// Levels of directories.
    package static let deepest = 256

    private var phase = Phase.entry
    /// What came of something that is taken whole.
    private var buffer: [UInt8] = []
    private var depth = 0
    private var link: (name: [UInt8], attributes: PackedAttributes, target: [UInt8])?

    package init() {}

    /// Whether all has come that there is.
    package var isWhole: Bool { if case .end = phase { true } else { false } }

    /// Takes the next bytes.
    package mutating func receive<Receiver: PackReceiver>(
        _ bytes: Span<UInt8>, by receiver: inout Receiver
    ) throws(PackError<Receiver.Failure>) {
        var rest = bytes
        while !rest.isEmpty {
            switch phase {
            case .entry: try takeEntry(&rest, &receiver)
            case .extents: try takeExtent(&rest, &receiver)
            case .data(let offset, let count): try takeData(&rest, offset, count, &receiver)
            case .end: throw .malformed
            }
        }
    }

    /// Gathers `count` bytes; false where more are to come.
    private mutating func gather(_ count: Int, from rest: inout Span<UInt8>) -> Bool {
        let missing = count - buffer.count
        guard missing > 0 else { return true }
        let part = rest.extracting(first: min(missing, rest.count))
        for index in part.indices { buffer.append(part[index]) }
        rest = rest.extracting(droppingFirst: part.count)
        return buffer.count == count
    }

    private func number(at offset: Int, _ size: Int) -> UInt64 {
        (0..<size).reduce(0) { $0 | UInt64(buffer[offset + $1]) << (8 * UInt64($1)) }
    }

    private mutating func takeEntry<Receiver: PackReceiver>(
        _ rest: inout Span<UInt8>, _ receiver: inout Receiver
    ) throws(PackError<Receiver.Failure>) {
        guard gather(Self.entrySize, from: &rest) else { return }
        guard let kind = Kind(rawValue: buffer[0]) else { throw .malformed }
        let nameSize = Int(number(at: 2, 2))
        guard kind == .end ? nameSize == 0 : (1...Self.longestName).contains(nameSize) else { throw .malformed }
        guard gather(Self.entrySize + nameSize, from: &rest) else { return }
        let name = Array(buffer[Self.entrySize...])
        let nanoseconds = UInt32(number(at: 24, 4))
        guard Self.isName(name) || kind == .end, nanoseconds < 1_000_000_000 else { throw .malformed }
        let attributes = PackedAttributes(
            mode: UInt16(number(at: 4, 4) & 0o7777), user: UInt32(number(at: 8, 4)), group: UInt32(number(at: 12, 4)),
            modified: (Int64(bitPattern: number(at: 16, 8)), nanoseconds))
        buffer = []
        switch kind {
        case .end:
            guard depth > 0 else { throw .malformed }
            depth -= 1
            try call { () throws(Receiver.Failure) in try receiver.endDirectory() }
            finishEntry()
        case .directory:
            guard depth < Self.deepest else { throw .tooDeep }
            depth += 1
            try call { () throws(Receiver.Failure) in try receiver.beginDirectory(name, attributes) }
        case .file:
            phase = .extents
            try call { () throws(Receiver.Failure) in try receiver.beginFile(name, attributes) }
        case .link:
            phase = .extents
            link = (name, attributes, [])
        case .fifo:
            try call { () throws(Receiver.Failure) in try receiver.fifo(name, attributes) }
            finishEntry()
        }
    }

    private mutating func finishEntry() { phase = depth == 0 ? .end : .entry }

    private mutating func takeExtent<Receiver: PackReceiver>(
        _ rest: inout Span<UInt8>, _ receiver: inout Receiver
    ) throws(PackError<Receiver.Failure>) {
        guard gather(Self.extentSize, from: &rest) else { return }
        let (offset, count) = (number(at: 0, 8), number(at: 8, 4))
        buffer = []
        guard offset <= UInt64(Int64.max) - count else { throw .malformed }
        if count > 0 {
            phase = .data(offset: offset, count: Int(count))
        } else if let link = link.take() {
            guard !link.target.isEmpty, !link.target.contains(0) else { throw .malformed }
            try call { () throws(Receiver.Failure) in
                try receiver.link(link.name, to: link.target, link.attributes)
            }
            finishEntry()
        } else {
            try call { () throws(Receiver.Failure) in try receiver.endFile(size: offset) }
            finishEntry()
        }
    }

    private mutating func takeData<Receiver: PackReceiver>(
        _ rest: inout Span<UInt8>, _ offset: UInt64, _ count: Int, _ receiver: inout Receiver
    ) throws(PackError<Receiver.Failure>) {
        let part = rest.extracting(first: min(count, rest.count))
        rest = rest.extracting(droppingFirst: part.count)
        if link != nil {
            guard (link?.target.count ?? 0) + part.count <= Self.longestTarget else { throw .malformed }
            for index in part.indices { link?.target.append(part[index]) }
        } else {
            do throws(Receiver.Failure) { try receiver.write(part, at: offset) } catch { throw .receiver(error) }
        }
        phase = part.count == count ? .extents : .data(offset: offset + UInt64(part.count), count: count - part.count)
    }

    private func call<Failure: Error>(_ body: () throws(Failure) -> Void) throws(PackError<Failure>) {
        do throws(Failure) { try body() } catch { throw .receiver(error) }
    }

    private static func isName(_ name: [UInt8]) -> Bool {
        !name.contains(0) && !name.contains(UInt8(ascii: "/")) && !name.elementsEqual(".".utf8)
            && !name.elementsEqual("..".utf8)
    }
}
