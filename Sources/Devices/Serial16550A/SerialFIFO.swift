/// A queue of at most 16 bytes, held in place.
struct SerialFIFO: Sendable {
    static let capacity = 16

    private var storage = InlineArray<16, UInt8>(repeating: 0)
    private var first = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Appends to a queue that is not full.
    mutating func append(_ byte: UInt8) {
        precondition(count < Self.capacity)
        storage[(first &+ count) & 15] = byte
        count &+= 1
    }

    mutating func removeFirst() -> UInt8? {
        guard count > 0 else { return nil }
        let byte = storage[first]
        removeFirst(1)
        return byte
    }

    mutating func removeFirst(_ number: Int) {
        precondition(number >= 0 && number <= count)
        first = (first &+ number) & 15
        count &-= number
    }

    mutating func removeAll() { removeFirst(count) }

    /// Replaces the newest byte of a queue that is not empty.
    mutating func replaceLast(with byte: UInt8) {
        precondition(count > 0)
        storage[(first &+ count &- 1) & 15] = byte
    }

    /// Copies all bytes, oldest first, to the front of `destination`.
    func copy(to destination: inout InlineArray<16, UInt8>) {
        for index in 0..<count { destination[index] = storage[(first &+ index) & 15] }
    }

    var bytes: [UInt8] { (0..<count).map { storage[(first &+ $0) & 15] } }
}
