import Virtio

/// One queue of a block device while its driver runs it. It is used under its lock.
struct BlockQueue: ~Copyable {
    private var queue: Virtqueue
    private let index: Int
    private let notifier: VirtioNotifier
    private let features: VirtioFeatures
    private let properties: BlockProperties
    private let serial: [UInt8]
    private let lane: any BlockLane
    private let limiter: RateLimiter?
    private var pendingCount = 0
    /// What waits for its turn under the limits. Those behind it stay in the driver's ring.
    private var held: (request: ParkedRequest, command: BlockCommand)?

    init(
        _ queue: consuming Virtqueue, index: Int, notifier: VirtioNotifier, features: VirtioFeatures,
        properties: BlockProperties, serial: [UInt8], lane: any BlockLane,
        limiter: RateLimiter?
    ) {
        self.queue = queue
        self.index = index
        self.notifier = notifier
        self.features = features
        self.properties = properties
        self.serial = serial
        self.lane = lane
        self.limiter = limiter
    }

    /// For saving; nil while a request is in flight.
    var state: VirtqueueState? { queue.state }

    /// Starts what the driver made available, and completes what has ended.
    mutating func serve() {
        guard held == nil else { return complete() }
        queue.disableNotifications()
        var failure: VirtioFailure?
        do throws(VirtqueueError) {
            try queue.beginBatch()
            while failure == nil, held == nil, let request = try queue.pop() {
                if !start(request) { failure = .malformedRequest(queue: index) }
            }
        } catch { failure = .queue(index, error) }
        lane.submit()
        complete()
        if let failure { return notifier.fail(failure) }
        guard held == nil else { return }
        if queue.enableNotifications() { notifier.serveAgain(queue: index) }
    }

    /// Starts what waited for its turn, and what is behind it.
    mutating func turnCame() {
        guard let (parked, command) = held.take(), let request = queue.unpark(parked) else { return }
        begin(request, command)
        serve()
    }

    /// Completes what has ended, with one interrupt at most.
    mutating func complete() {
        while let completion = lane.nextCompletion() {
            pendingCount -= 1
            guard let request = queue.unpark(ParkedRequest(head: completion.tag)) else {
                preconditionFailure("the storage completed what it was not asked for")
            }
            finish(request, completion.isSuccess ? .success : .failure)
        }
        if queue.publish() { notifier.queueUsed(index) }
    }

    /// Waits for everything that is in flight, and forgets it.
    mutating func abandon() {
        held = nil
        while pendingCount > 0 {
            if lane.nextCompletion() != nil { pendingCount -= 1 } else { lane.wait() }
        }
    }

    /// False for a request without header or status: it cannot be told that it is wrong.
    private mutating func start(_ request: consuming VirtqueueRequest) -> Bool {
        guard request.takeStatus(), let command = BlockCommand(&request, properties, features) else { return false }
        if let limiter, let byteCount = command.cost(of: request), !limiter.begins(byteCount, queue: index) {
            held = (queue.park(request), command)
        } else {
            begin(request, command)
        }
        return true
    }

    private mutating func begin(_ request: consuming VirtqueueRequest, _ command: BlockCommand) {
        let tag = request.head
        // Without flushes a driver relies on what it wrote (5.2.6.2).
        let isDurable = !features.contains(.blockFlush)
        switch command {
        case .nothing: finish(request, .success)
        case .refused(let status): finish(request, status)
        case .identify:
            // Not terminated where the serial number fills it (5.2.6).
            let count = request.write(serial.span, at: 0)
            finish(request, .success, data: UInt64(count))
        case .read(let offset):
            lane.read(into: request.writableBuffers, at: offset, tag: tag)
            park(request)
        case .write(let offset):
            lane.write(request.readableBuffers, at: offset, isDurable: isDurable, tag: tag)
            park(request)
        case .flush:
            lane.flush(tag: tag)
            park(request)
        case .discard(let offset, let count):
            lane.discard(at: offset, byteCount: count, tag: tag)
            park(request)
        case .writeZeroes(let offset, let count, let mayDiscard):
            lane.writeZeroes(at: offset, byteCount: count, mayDiscard: mayDiscard, isDurable: isDurable, tag: tag)
            park(request)
        }
    }

    private mutating func park(_ request: consuming VirtqueueRequest) {
        _ = queue.park(request)
        pendingCount += 1
    }

    /// - Parameter data: bytes written before the status; without it, all there are if the request succeeded.
    private mutating func finish(_ request: consuming VirtqueueRequest, _ status: BlockStatus, data: UInt64? = nil) {
        request.storeStatus(status.rawValue)
        let room = request.writableBytes
        let done = data ?? (status == .success ? room : 0)
        // What is counted is written from the start on, so the status counts only behind whole data (2.7.8.2).
        queue.complete(request, written: UInt32(truncatingIfNeeded: done == room ? room + 1 : done))
    }
}
