/// The up to 15 bytes of an instruction, held in place.
package struct InstructionBytes: Sendable {
    /// An instruction is never longer (Intel SDM 2, 2.3.11).
    package static let capacity = 15

    private var storage: InlineArray<15, UInt8>
    package private(set) var count: Int

    package init() {
        storage = InlineArray(repeating: 0)
        count = 0
    }

    /// The first 15 of `bytes`.
    package init(_ bytes: some Sequence<UInt8>) {
        self.init()
        for byte in bytes.prefix(Self.capacity) { append(byte) }
    }

    package mutating func append(_ byte: UInt8) {
        guard count < Self.capacity else { return }
        storage[count] = byte
        count += 1
    }

    /// The byte at `index`, or 0 past the end.
    @inline(__always)
    package subscript(index: Int) -> UInt8 { index < count ? storage[index] : 0 }

    package var array: [UInt8] { (0..<count).map { storage[$0] } }
}

extension InstructionBytes: Equatable {
    package static func == (left: Self, right: Self) -> Bool {
        left.count == right.count && (0..<left.count).allSatisfy { left.storage[$0] == right.storage[$0] }
    }
}

extension InstructionBytes {
    /// What can be fetched at `linear`: 15 bytes, or fewer where the next page cannot be fetched from.
    package init(at linear: UInt64, _ access: Access, in memory: LinearMemory) throws(TranslationError) {
        self.init()
        // SAFETY: each read fills at most the 16 bytes of `buffer`.
        var buffer: (UInt64, UInt64) = (0, 0)
        let toPageEnd = Int(4096 - linear & 4095)
        var fetched = min(Self.capacity, toPageEnd)
        unsafe try memory.read(linear, count: fetched, access.union(.fetch), into: &buffer)
        if fetched < Self.capacity {
            do {
                unsafe try memory.read(linear, count: Self.capacity, access.union(.fetch), into: &buffer)
                fetched = Self.capacity
            } catch {
                // The instruction may well end before the page does.
            }
        }
        for index in 0..<fetched {
            let word = index < 8 ? buffer.0 : buffer.1
            append(UInt8(truncatingIfNeeded: word >> (UInt64(index & 7) * 8)))
        }
    }
}
