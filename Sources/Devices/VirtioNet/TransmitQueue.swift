import Virtio

/// The queue of frames that a driver sends, while it runs.
struct TransmitQueue: ~Copyable {
    private struct Held {
        let request: ParkedRequest
        let header: NetworkHeader
    }

    private var queue: Virtqueue
    private let index: Int
    private let notifier: VirtioNotifier
    private let offloads: NetworkOffloads
    private let limiter: RateLimiter?
    /// What the lane took and has not sent.
    private var taken: [ParkedRequest] = []
    /// What the lane had no room for, or what waits for its turn under the limits. Those behind it stay in the driver's ring.
    private var held: Held?
    private var waitsForTurn = false
    /// Frames that no network could carry.
    private(set) var refusedCount: UInt64 = 0

    /// - Parameter offloads: what the driver leaves to the device.
    init(
        _ queue: consuming Virtqueue, index: Int, notifier: VirtioNotifier, offloads: NetworkOffloads,
        limiter: RateLimiter?
    ) {
        taken.reserveCapacity(Int(queue.size))
        self.queue = queue
        self.index = index
        self.notifier = notifier
        self.offloads = offloads
        self.limiter = limiter
    }

    /// Whether frames wait for room.
    var isBlocked: Bool { held != nil && !waitsForTurn }

    mutating func turnCame() { waitsForTurn = false }

    /// Sends what the driver made available, one batch at most.
    mutating func serve(_ lane: any NetworkLane) {
        // The lane may have room now for what it took before.
        guard !waitsForTurn else { return flush(lane) }
        queue.disableNotifications()
        var failure: VirtioFailure?
        do throws(VirtqueueError) {
            try queue.beginBatch()
            sendHeld(lane)
            while held == nil, let request = try queue.pop() {
                if !start(request, lane) {
                    failure = .malformedRequest(queue: index)
                    break
                }
            }
        } catch { failure = .queue(index, error) }
        flush(lane)
        if queue.publish() { notifier.queueUsed(index) }
        if let failure { return notifier.fail(failure) }
        // While frames wait there is no use in hearing of more.
        if held == nil, queue.enableNotifications() { notifier.serveAgain(queue: index) }
    }

    /// False for a request without a whole header.
    private mutating func start(_ request: consuming VirtqueueRequest, _ lane: any NetworkLane) -> Bool {
        // A copy: the driver may change its own meanwhile.
        var bytes = InlineArray<12, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        guard request.read(at: 0, into: &span) == NetworkHeader.byteCount else { return false }
        let header = NetworkHeader(bytes: bytes.span)
        request.dropReadable(UInt64(NetworkHeader.byteCount))
        guard let checked = header.checked(frameSize: request.readableBytes, offloads) else {
            refusedCount += 1
            queue.complete(request, written: 0)
            return true
        }
        if let limiter, !limiter.begins(request.readableBytes, queue: index) {
            waitsForTurn = true
            held = Held(request: queue.park(request), header: checked)
        } else {
            send(request, checked, lane)
        }
        return true
    }

    private mutating func sendHeld(_ lane: any NetworkLane) {
        guard let held else { return }
        self.held = nil
        guard let request = queue.unpark(held.request) else { preconditionFailure("what is held is parked") }
        send(request, held.header, lane)
    }

    private mutating func send(
        _ request: consuming VirtqueueRequest, _ header: NetworkHeader, _ lane: any NetworkLane
    ) {
        var isTaken = lane.send(header, request.readableBuffers)
        if !isTaken {
            flush(lane)
            isTaken = lane.send(header, request.readableBuffers)
        }
        let request = queue.park(request)
        if isTaken { taken.append(request) } else { held = Held(request: request, header: header) }
    }

    private mutating func flush(_ lane: any NetworkLane) {
        lane.flush()
        for parked in taken {
            guard let request = queue.unpark(parked) else { preconditionFailure("what was taken is parked") }
            queue.complete(request, written: 0)
        }
        taken.removeAll(keepingCapacity: true)
    }

    /// For saving: what waits is made available again.
    mutating func putBackAndSave() -> VirtqueueState? {
        if let held, let request = queue.unpark(held.request) { queue.putBack(request) }
        held = nil
        return queue.state
    }
}
