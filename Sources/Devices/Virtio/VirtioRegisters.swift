import GuestMemory
import Virtio

/// What all transports have in common of their registers (virtio 1.2, sections 2.1, 2.2 and 3.1): status, features and
/// queues, without effects. What the driver writes comes here whole, and goes no further unchecked.
struct VirtioRegisters {
    /// Half of 64 bits, as transports write them.
    enum Half {
        case low, high

        func replace(in word: inout UInt64, by value: UInt32) {
            switch self {
            case .low: word = word & ~0xffff_ffff | UInt64(value)
            case .high: word = word & 0xffff_ffff | UInt64(value) << 32
            }
        }
    }

    struct Queue: Codable, Equatable, Sendable {
        var size: UInt16
        var isReady = false
        var descriptorTable: UInt64 = 0
        var availableRing: UInt64 = 0
        var usedRing: UInt64 = 0
        /// Where a restored queue goes on in both rings; in others 0.
        var position: UInt16 = 0

        init(size: UInt16) { self.size = size }

        func state(_ features: VirtioFeatures) -> VirtqueueState {
            VirtqueueState(
                size: size, descriptorTable: GuestAddress(descriptorTable),
                availableRing: GuestAddress(availableRing), usedRing: GuestAddress(usedRing),
                usesIndirectDescriptors: features.contains(.indirectDescriptors),
                usesEventIndex: features.contains(.eventIndex), nextAvailable: position, nextUsed: position)
        }
    }

    /// What a write to the status asks for.
    enum Effect {
        case none, activate, reset
        case fail(VirtioFailure)
    }

    let offered: VirtioFeatures
    let maximumQueueSizes: [UInt16]
    var status: VirtioStatus = []
    var driverFeatures: VirtioFeatures = []
    /// The driver asked for a feature beyond the 64 that there are.
    var wantsUnknownFeatures = false
    var queues: [Queue]

    init(offered: VirtioFeatures, maximumQueueSizes: [UInt16]) {
        self.offered = offered
        self.maximumQueueSizes = maximumQueueSizes
        queues = maximumQueueSizes.map(Queue.init(size:))
    }

    mutating func reset() {
        status = []
        driverFeatures = []
        wantsUnknownFeatures = false
        for index in queues.indices { queues[index] = Queue(size: maximumQueueSizes[index]) }
    }

    /// The driver sets bits; it clears them only all at once, by a reset (2.1.1).
    mutating func writeStatus(_ value: UInt32) -> Effect {
        if value == 0 { return .reset }
        let new = VirtioStatus(rawValue: UInt8(truncatingIfNeeded: value)).intersection(.drivers).subtracting(status)
        status.formUnion(new.subtracting([.featuresOK, .driverOK]))
        if new.contains(.featuresOK), featuresAreAcceptable { status.insert(.featuresOK) }
        guard new.contains(.driverOK) else { return .none }
        guard status.contains(.featuresOK) else { return .fail(.notNegotiated) }
        status.insert(.driverOK)
        return .activate
    }

    var featuresAreAcceptable: Bool {
        driverFeatures.isSubset(of: offered) && driverFeatures.contains(.version1) && !wantsUnknownFeatures
    }

    /// 32 of the features that the device offers, from feature 32 * `word`.
    func offeredFeatures(word: UInt32) -> UInt32 {
        word < 2 ? UInt32(truncatingIfNeeded: offered.rawValue >> (32 * UInt64(word))) : 0
    }

    /// The driver says which of 32 features it wants. Nothing changes once they are agreed on (3.1.1).
    mutating func setDriverFeatures(word: UInt32, _ value: UInt32) {
        guard !status.contains(.featuresOK) else { return }
        guard word < 2 else {
            if value != 0 { wantsUnknownFeatures = true }
            return
        }
        var features = driverFeatures.rawValue
        (word == 0 ? Half.low : .high).replace(in: &features, by: value)
        driverFeatures = VirtioFeatures(rawValue: features)
    }

    /// The number of the queue that the driver selected and may set up: not after DRIVER_OK, and not while it is ready.
    func changeableQueue(_ select: UInt32) -> Int? {
        guard let index = queue(select), !queues[index].isReady, !status.contains(.driverOK) else { return nil }
        return index
    }

    /// The number of the queue that the driver selected; nil if there is none.
    func queue(_ select: UInt32) -> Int? { select < queues.count ? Int(select) : nil }

    mutating func setQueueSize(_ select: UInt32, _ value: UInt32) -> VirtioFailure? {
        guard let index = changeableQueue(select) else { return nil }
        let maximum = maximumQueueSizes[index]
        guard value <= maximum, VirtqueueState.isValid(size: UInt16(value)) else {
            return .queueSize(queue: index, size: value, maximum: maximum)
        }
        queues[index].size = UInt16(value)
        return nil
    }

    mutating func setAddress(
        _ area: VirtqueueError.Area, _ half: Half, of select: UInt32, _ value: UInt32
    ) {
        guard let index = changeableQueue(select) else { return }
        switch area {
        case .descriptorTable: half.replace(in: &queues[index].descriptorTable, by: value)
        case .availableRing: half.replace(in: &queues[index].availableRing, by: value)
        case .usedRing: half.replace(in: &queues[index].usedRing, by: value)
        }
    }

    /// The driver enables a queue, whose areas have to be sound, or takes it back before DRIVER_OK.
    mutating func setQueueReady(_ select: UInt32, _ value: UInt32, in memory: GuestMemory) -> VirtioFailure? {
        guard let index = queue(select), !status.contains(.driverOK) else { return nil }
        switch value {
        case 0: queues[index].isReady = false
        case 1 where !queues[index].isReady:
            do throws(VirtqueueError) { try queues[index].state([]).validate(in: memory) } catch {
                return .queue(index, error)
            }
            queues[index].isReady = true
        default: break
        }
        return nil
    }

    /// The queues as they are to be served.
    var queueStates: [VirtqueueState?] { queues.map { $0.isReady ? $0.state(driverFeatures) : nil } }
}
