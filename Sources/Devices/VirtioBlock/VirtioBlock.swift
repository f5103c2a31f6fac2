import Synchronization
package import Virtio

/// The block device (virtio 1.2, section 5.2) over any storage, with one or more queues.
///
/// Requests go to the storage as they come, with the guest's own buffers, and are completed as they end. At most as many
/// are in flight as a queue has entries. What the guest asks wrongly fails for itself; a request that has no place for
/// its status costs the device.
package final class VirtioBlock: VirtioDevice {
    /// Entries of each queue.
    package static let queueSize: UInt16 = 256
    /// Bytes of a serial number.
    package static let serialSize = 20

    package let type = VirtioDeviceType.block
    package let features: VirtioFeatures
    package let maximumQueueSizes: [UInt16]
    package let configuration: VirtioConfigurationSpace

    private let storage: any BlockStorage
    private let serial: [UInt8]
    private let limiter: RateLimiter?
    private let queues: [Slot]

    // Each queue has a lock of its own, which is held while it is served.
    private final class Slot: Sendable {
        let queue = Mutex<BlockQueue?>(nil)
    }

    /// - Parameters:
    ///   - storage: nobody else's.
    ///   - serial: what tells the device from others, cut to 20 bytes of ASCII.
    ///   - queueCount: 1 to 64.
    ///   - limiter: of what the device moves; nobody else's.
    package init(
        storage: any BlockStorage, serial: String = "", queueCount: Int = 1, limiter: RateLimiter? = nil
    ) {
        precondition((1...64).contains(queueCount))
        let properties = storage.properties
        precondition(properties.byteCount % UInt64(properties.blockSize) == 0)
        self.storage = storage
        self.limiter = limiter
        let text = serial.utf8.filter { (0x20..<0x7f).contains($0) }.prefix(Self.serialSize)
        self.serial = Array(text) + [UInt8](repeating: 0, count: Self.serialSize - text.count)
        features = properties.features(queueCount: queueCount)
        maximumQueueSizes = [UInt16](repeating: Self.queueSize, count: queueCount)
        configuration = properties.configuration(queueCount: queueCount, queueSize: Self.queueSize)
        queues = (0..<queueCount).map { _ in Slot() }
    }

    package func activate(_ activation: VirtioActivation) {
        limiter?.start { [weak self] index in self?.turnCame(queue: index) }
        for (index, slot) in queues.enumerated() {
            slot.queue.withLock { slot in
                guard let queue = activation.makeQueue(index) else { return }
                let lane = storage.makeLane(depth: queue.size) { [weak self] in self?.operationsEnded(queue: index) }
                slot = BlockQueue(
                    queue, index: index, notifier: activation.notifier, features: activation.features,
                    properties: storage.properties, serial: serial, lane: lane, limiter: limiter)
            }
        }
    }

    package func reset() {
        limiter?.stop()
        for slot in queues {
            slot.queue.withLock { slot in
                slot?.abandon()
                slot = nil
            }
        }
    }

    package func queueNotified(_ index: Int) { queues[index].queue.withLock { $0?.serve() } }

    private func turnCame(queue index: Int) { queues[index].queue.withLock { $0?.turnCame() } }

    private func operationsEnded(queue index: Int) { queues[index].queue.withLock { $0?.complete() } }

    package var queueStates: [VirtqueueState?]? {
        var states: [VirtqueueState?] = []
        for slot in queues {
            let (isActive, state) = slot.queue.withLock { ($0 != nil, $0?.state) }
            if isActive, state == nil { return nil }
            states.append(state)
        }
        return states
    }
}
