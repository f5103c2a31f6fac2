import CLinux
package import GuestMemory
package import Virtio

/// The driver's side of a queue, as virtio 1.2 describes it in 2.7.13 and 2.7.14.
package struct DriverModel {
    package struct Buffer: Equatable {
        package var address: GuestAddress
        package var length: UInt32
        package var isWritable: Bool

        package init(address: GuestAddress, length: UInt32, isWritable: Bool) {
            self.address = address
            self.length = length
            self.isWritable = isWritable
        }
    }

    package struct Completion: Equatable {
        package var head: UInt16
        package var written: UInt32

        package init(head: UInt16, written: UInt32) {
            self.head = head
            self.written = written
        }
    }

    package let memory: GuestMemory
    package let state: VirtqueueState
    /// Where indirect tables go: one for each head, 16 bytes times the size each.
    package let indirectTables: UInt64
    private var free: [UInt16]
    private var owned: [UInt16: [UInt16]] = [:]
    package private(set) var nextAvailable: UInt16 = 0
    private var published: UInt16 = 0
    package private(set) var lastUsed: UInt16 = 0

    package init(memory: GuestMemory, state: VirtqueueState, indirectTables: UInt64) {
        self.memory = memory
        self.state = state
        self.indirectTables = indirectTables
        free = Array(0..<state.size)
    }

    package var freeCount: Int { free.count }

    /// Makes a chain available, its last `inTable` buffers by an indirect table.
    /// - Returns: its head, or nil where the table has no room.
    package mutating func add(
        _ buffers: [Buffer], inTable: Int = 0, using generator: inout SeededGenerator
    ) throws -> UInt16? {
        let direct = buffers.count - inTable
        let count = direct + (inTable > 0 ? 1 : 0)
        guard count <= free.count else { return nil }
        free.shuffle(using: &generator)
        let chain = Array(free.suffix(count))
        free.removeLast(count)
        for (position, index) in chain.enumerated() {
            let next = position + 1 < count ? chain[position + 1] : UInt16.random(in: 0 ... .max, using: &generator)
            let hasNext = position + 1 < count
            if position < direct {
                try write(buffers[position], next: next, hasNext: hasNext, to: state.descriptorTable, at: index)
            } else {
                try writeTable(Array(buffers.suffix(inTable)), for: index, using: &generator)
            }
        }
        let slot = 4 + 2 * UInt64(nextAvailable % state.size)
        try memory.store(chain[0], at: GuestAddress(state.availableRing.rawValue + slot))
        nextAvailable &+= 1
        owned[chain[0]] = chain
        return chain[0]
    }

    // The entries of a table need not be in order either, but the first is entry 0.
    private func writeTable(
        _ buffers: [Buffer], for index: UInt16, using generator: inout SeededGenerator
    ) throws {
        let spare = Int.random(in: 0...2, using: &generator)
        let entryCount = buffers.count + spare
        let table = GuestAddress(indirectTables + 64 * 16 * UInt64(index))
        var order = (1..<UInt16(entryCount)).shuffled(using: &generator)
        order.insert(0, at: 0)
        for (position, buffer) in buffers.enumerated() {
            let isLast = position + 1 == buffers.count
            try write(
                buffer, next: isLast ? 0xbeef : order[position + 1], hasNext: !isLast, to: table, at: order[position])
        }
        // The device ignores WRITE here (2.7.5.3.2).
        let flags: UInt64 = Bool.random(using: &generator) ? 4 : 6
        let place = state.descriptorTable.rawValue + 16 * UInt64(index)
        try memory.store(table.rawValue, at: GuestAddress(place))
        try memory.store(UInt64(16 * entryCount) | flags << 32, at: GuestAddress(place + 8))
    }

    private func write(
        _ buffer: Buffer, next: UInt16, hasNext: Bool, to table: GuestAddress, at index: UInt16
    ) throws {
        let place = table.rawValue + 16 * UInt64(index)
        let flags: UInt64 = (hasNext ? 1 : 0) | (buffer.isWritable ? 2 : 0)
        try memory.store(buffer.address.rawValue, at: GuestAddress(place))
        try memory.store(UInt64(buffer.length) | flags << 32 | UInt64(next) << 48, at: GuestAddress(place + 8))
    }

    /// Stores the index, and says whether the device wants a notification.
    package mutating func publish() throws -> Bool {
        guard published != nextAvailable else { return false }
        let old = published
        published = nextAvailable
        try memory.storeRelease(nextAvailable, at: GuestAddress(state.availableRing.rawValue + 2))
        caisson_fence()
        if state.usesEventIndex {
            let event: UInt16 = try memory.load(
                at: GuestAddress(state.usedRing.rawValue + 4 + 8 * UInt64(state.size)))
            return nextAvailable &- event &- 1 < nextAvailable &- old
        }
        let flags: UInt16 = try memory.load(at: state.usedRing)
        return flags & 1 == 0
    }

    /// What the device has completed since the last call, in its order.
    package mutating func reap() throws -> [Completion] {
        var completions: [Completion] = []
        while try memory.loadAcquire16(at: GuestAddress(state.usedRing.rawValue + 2)) != lastUsed {
            let entry = GuestAddress(state.usedRing.rawValue + 4 + 8 * UInt64(lastUsed % state.size))
            let word: UInt64 = try memory.load(at: entry)
            let head = UInt16(truncatingIfNeeded: word)
            guard word & 0xffff_0000 == 0, let chain = owned.removeValue(forKey: head) else {
                throw DriverConfusion.notMine(word)
            }
            free += chain
            lastUsed &+= 1
            completions.append(Completion(head: head, written: UInt32(truncatingIfNeeded: word >> 32)))
        }
        return completions
    }

    /// Asks for an interrupt with the next completion but `skip`, and says whether some came meanwhile.
    package func enableInterrupts(skip: UInt16 = 0) throws -> Bool {
        if state.usesEventIndex {
            try memory.store(
                lastUsed &+ skip, at: GuestAddress(state.availableRing.rawValue + 4 + 2 * UInt64(state.size)))
        } else {
            try memory.store(0 as UInt16, at: state.availableRing)
        }
        caisson_fence()
        return try memory.loadAcquire16(at: GuestAddress(state.usedRing.rawValue + 2)) &- lastUsed > skip
    }

    package func disableInterrupts() throws {
        if !state.usesEventIndex { try memory.store(1 as UInt16, at: state.availableRing) }
    }
}

package enum DriverConfusion: Error {
    /// A used entry that says no chain in flight.
    case notMine(UInt64)
}
