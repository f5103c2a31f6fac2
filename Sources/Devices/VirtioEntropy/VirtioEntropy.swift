import Synchronization
package import Virtio

/// The entropy device (virtio 1.2, section 5.4): one queue, whose buffers it fills with random bytes.
///
/// It serves a batch of requests at a time, with at most 4 KiB each: a device may fill less than there is room for
/// (5.4.6.1). So a driver that asks for gigabytes keeps nobody waiting.
package final class VirtioEntropy: VirtioDevice {
    fileprivate struct Active: ~Copyable {
        var queue: Virtqueue
        let notifier: VirtioNotifier
    }

    /// The most bytes for one request.
    package static let byteLimit = 4096
    // More than one request at a time is rare.
    private static let queueSize: UInt16 = 8

    package let type = VirtioDeviceType.entropy
    package let features: VirtioFeatures = []
    package let maximumQueueSizes = [queueSize]
    package let configuration = VirtioConfigurationSpace()

    private let source: any EntropySource
    // The lock is held while a batch is served: reset waits for its end.
    private let active = Mutex<Active?>(nil)

    package init(source: any EntropySource) { self.source = source }

    package func activate(_ activation: VirtioActivation) {
        active.withLock { active in
            guard let queue = activation.makeQueue(0) else { return }
            active = Active(queue: queue, notifier: activation.notifier)
        }
    }

    package func reset() { active.withLock { $0 = nil } }

    package func queueNotified(_ index: Int) {
        active.withLock { active in
            // In place: a queue is never copied.
            active?.serve(source)
        }
    }

    package var queueStates: [VirtqueueState?]? {
        active.withLock { active in
            guard active != nil else { return [nil] }
            return active?.queueState.map { [$0] }
        }
    }
}

extension VirtioEntropy.Active {
    fileprivate var queueState: VirtqueueState? { queue.state }

    fileprivate mutating func serve(_ source: any EntropySource) {
        notifier.serveBatch(of: &queue, index: 0) { request in
            let room = min(request.writableBytes, UInt64(VirtioEntropy.byteLimit))
            var bytes = InlineArray<256, UInt8>(repeating: 0)
            var done = 0
            while done < room {
                var span = bytes.mutableSpan
                source.fill(&span)
                let count = min(bytes.count, Int(room) - done)
                done += request.write(bytes.span.extracting(first: count), at: UInt64(done))
            }
            return UInt32(done)
        }
    }
}
