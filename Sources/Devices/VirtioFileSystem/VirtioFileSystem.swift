import Synchronization
package import Virtio

/// The file system device (virtio 1.2, section 5.11): a queue of requests that nobody waits for, and one for all others. It moves
/// requests between the guest and a server, and knows nothing of what they say. There is no shared memory window (DAX).
package final class VirtioFileSystem: VirtioDevice {
    /// Numbers of the queues (5.11.2).
    enum Queue {
        static let highPriority = 0
        static let request = 1
        static let count = 2
    }

    /// Bytes of a tag (5.11.4).
    package static let tagSize = 36

    fileprivate struct Active: ~Copyable {
        var highPriority: Virtqueue?
        var request: Virtqueue?
        let notifier: VirtioNotifier
    }

    package let type = VirtioDeviceType.fileSystem
    package let features: VirtioFeatures = []
    /// A request with all the pages that one may have, and its headers, fits into the second.
    package let maximumQueueSizes: [UInt16] = [64, 256]
    package let configuration: VirtioConfigurationSpace

    private let host: any FileSystemHost
    // Held while a batch is served: reset waits for its end.
    private let active = Mutex<Active?>(nil)

    /// - Parameters:
    ///   - tag: what the guest finds the file system by, `isTag`.
    ///   - host: nobody else's.
    package init(tag: String, host: any FileSystemHost) {
        precondition(Self.isTag(tag))
        self.host = host
        // The tag, NULs behind it where there is room, and le32 num_request_queues.
        let name = Array(tag.utf8)
        configuration = VirtioConfigurationSpace(
            name + [UInt8](repeating: 0, count: Self.tagSize - name.count) + [1, 0, 0, 0])
    }

    /// Whether a file system can be called so: 1 to 36 bytes without NUL.
    package static func isTag(_ text: String) -> Bool {
        (1...tagSize).contains(text.utf8.count) && !text.utf8.contains(0)
    }

    package func activate(_ activation: VirtioActivation) {
        active.withLock { active in
            active = Active(
                highPriority: activation.makeQueue(Queue.highPriority),
                request: activation.makeQueue(Queue.request), notifier: activation.notifier)
        }
    }

    package func reset() {
        active.withLock { active in
            active = nil
            host.reset()
        }
    }

    package func queueNotified(_ index: Int) { active.withLock { $0?.serve(index, host) } }

    /// What the guest knows and has open cannot be saved: there is no state while a driver has the device.
    package var queueStates: [VirtqueueState?]? { active.withLock { $0 == nil ? [nil, nil] : nil } }
}

extension VirtioFileSystem.Active {
    fileprivate mutating func serve(_ index: Int, _ host: any FileSystemHost) {
        let notifier = notifier
        let isWhole =
            index == VirtioFileSystem.Queue.highPriority
            ? highPriority?.serve(index, notifier, host) : request?.serve(index, notifier, host)
        if isWhole == false { notifier.fail(.malformedRequest(queue: index)) }
    }
}

extension Virtqueue {
    /// False for a batch with a request that could not be answered.
    fileprivate mutating func serve(
        _ index: Int, _ notifier: VirtioNotifier, _ host: any FileSystemHost
    ) -> Bool {
        var isWhole = true
        notifier.serveBatch(of: &self, index: index) { request in
            let written = host.serve(request)
            if written == nil { isWhole = false }
            return written ?? 0
        }
        return isWhole
    }
}
