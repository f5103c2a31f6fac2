import Virtio

/// The queue of commands (virtio 1.2, section 5.1.6.5), while a driver runs it.
struct ControlQueue: ~Copyable {
    private var queue: Virtqueue
    let index: Int
    private let notifier: VirtioNotifier
    private let features: VirtioFeatures

    init(_ queue: consuming Virtqueue, index: Int, notifier: VirtioNotifier, features: VirtioFeatures) {
        self.queue = queue
        self.index = index
        self.notifier = notifier
        self.features = features
    }

    /// For saving.
    var state: VirtqueueState? { queue.state }

    /// Carries out what the driver made available.
    /// - Parameter perform: whether the device does what a command asks for.
    mutating func serve(pairCount: Int, _ perform: (NetworkCommand) -> Bool) {
        var isMalformed = false
        let features = features
        notifier.serveBatch(of: &queue, index: index) { request in
            guard !isMalformed, request.writableBytes > 0,
                let command = NetworkCommand(request, features, pairCount: pairCount)
            else {
                isMalformed = true
                return 0
            }
            // VIRTIO_NET_OK and VIRTIO_NET_ERR.
            let answer: InlineArray<1, UInt8> = [perform(command) ? 0 : 1]
            return UInt32(request.write(answer.span, at: 0))
        }
        if isMalformed { notifier.fail(.malformedRequest(queue: index)) }
    }
}
