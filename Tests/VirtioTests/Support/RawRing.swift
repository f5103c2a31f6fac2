import GuestMemory
import Virtio

/// A queue's areas written field by field, so that a test can get every one of them wrong.
struct RawRing {
    static let next: UInt16 = 1
    static let write: UInt16 = 2
    static let indirect: UInt16 = 4

    let memory: GuestMemory
    var state: VirtqueueState

    /// 1 MiB of RAM, the areas in its first 64 KiB; buffers are free to be anywhere else.
    init(size: UInt16 = 8, indirect: Bool = true, eventIndex: Bool = false, memorySize: UInt64 = 1 << 20) throws {
        memory = try GuestMemory(size: memorySize)
        state = VirtqueueState(
            size: size, descriptorTable: 0x1000, availableRing: 0x5000, usedRing: 0x8000,
            usesIndirectDescriptors: indirect, usesEventIndex: eventIndex)
    }

    func queue() throws -> Virtqueue { try Virtqueue(state, memory: memory) }

    func descriptor(
        _ index: UInt16, _ address: UInt64, _ length: UInt32, _ flags: UInt16 = 0, next: UInt16 = 0,
        table: UInt64 = 0x1000
    ) {
        let place = table + 16 * UInt64(index)
        store(address, at: place)
        store(UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48, at: place + 8)
    }

    /// Puts `heads` into the available ring from its start, and the index behind them.
    func available(_ heads: UInt16..., index: UInt16? = nil) {
        for (slot, head) in heads.enumerated() { store(head, at: 0x5004 + 2 * UInt64(slot)) }
        store(index ?? UInt16(heads.count), at: 0x5002)
    }

    var usedFlags: UInt16 { load(0x8000) }
    var usedIndex: UInt16 { load(0x8002) }
    var availableEvent: UInt16 { load(0x8004 + 8 * UInt64(state.size)) }

    func usedEntry(_ slot: UInt64) -> [UInt32] { [load(0x8004 + 8 * slot), load(0x8008 + 8 * slot)] }

    func setUsedEvent(_ index: UInt16) { store(index, at: 0x5004 + 2 * UInt64(state.size)) }
    func setAvailableFlags(_ flags: UInt16) { store(flags, at: 0x5000) }

    // A test that leaves RAM is wrong itself.
    func store<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value, at address: UInt64) {
        do { try memory.store(value, at: GuestAddress(address)) } catch { preconditionFailure("\(error)") }
    }

    func load<Value: FixedWidthInteger & UnsignedInteger>(_ address: UInt64) -> Value {
        do { return try memory.load(Value.self, at: GuestAddress(address)) } catch { preconditionFailure("\(error)") }
    }
}
