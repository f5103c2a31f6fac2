import Virtio

/// The queue of buffers that a driver wants frames in, while it runs.
///
/// A frame goes straight into the driver's buffers. With VIRTIO_NET_F_MRG_RXBUF it may fill several requests
/// (virtio 1.2, section 5.1.6.4), so as many are kept in stock as the largest frame needs, if the driver has so many. A
/// frame that does not fit is lost, as on any network, and the next is received. Under limits, frames wait on the host until
/// what came before is paid for: their sizes are not known before they are in the buffers.
struct ReceiveQueue: ~Copyable {
    /// The most frames that one call receives.
    private static let frameLimit = 256

    private var queue: Virtqueue
    private let index: Int
    private let notifier: VirtioNotifier
    private let isMergeable: Bool
    private let limiter: RateLimiter?
    private var turn = Turn.toAskFor
    /// Requests taken and not used, and their buffers.
    private var stock: [ParkedRequest] = []
    private var buffers: [GuestBuffers] = []
    /// Bytes of the buffers.
    private var room: UInt64 = 0
    /// The driver broke the rules.
    private var isBroken = false
    /// Frames lost for want of room.
    private(set) var lostCount: UInt64 = 0

    /// Whether the next frame may come under the limits. A turn lasts until there is a frame to use it for.
    private enum Turn {
        case toAskFor
        case waiting
        case come
    }

    init(
        _ queue: consuming Virtqueue, index: Int, notifier: VirtioNotifier, features: VirtioFeatures,
        limiter: RateLimiter?
    ) {
        stock.reserveCapacity(Int(queue.size))
        buffers.reserveCapacity(Int(queue.size))
        self.queue = queue
        self.index = index
        self.notifier = notifier
        isMergeable = features.contains(.netMergeableBuffers)
        self.limiter = limiter
    }

    /// Whether a frame can be received now.
    var isOpen: Bool { !stock.isEmpty && turn != .waiting }

    mutating func turnCame() { turn = .come }

    /// Receives what there is, into what buffers there are.
    /// - Parameter hasChecksums: whether the driver completes checksums itself; for others there are no flags (5.1.6.4.1).
    mutating func serve(_ lane: any NetworkLane, _ filter: ReceiveFilter, hasChecksums: Bool) {
        guard !isBroken, turn != .waiting else { return }
        queue.disableNotifications()
        var failure: VirtioFailure?
        do throws(VirtioFailure) {
            var count = 0
            while true {
                try fill()
                if stock.isEmpty {
                    // Without buffers frames wait on the host, where the oldest or the newest are lost in the end.
                    if queue.enableNotifications() { continue }
                    break
                }
                guard count < Self.frameLimit else {
                    notifier.serveAgain(queue: index)
                    break
                }
                guard takeTurn(), let byteCount = lane.receive(into: buffers) else { break }
                count += 1
                if byteCount > room {
                    lostCount += 1
                } else if filter.accepts(destination) {
                    limiter?.charge(UInt64(byteCount - NetworkHeader.byteCount))
                    turn = .toAskFor
                    deliver(byteCount, hasChecksums: hasChecksums)
                }
            }
        } catch {
            failure = error
            isBroken = true
            dropStock()
        }
        if queue.publish() { notifier.queueUsed(index) }
        if let failure { notifier.fail(failure) }
    }

    private mutating func takeTurn() -> Bool {
        guard let limiter, turn == .toAskFor else { return true }
        turn = limiter.begins(0, queue: index) ? .come : .waiting
        return turn == .come
    }

    /// Takes requests until the largest frame fits, or one if a frame is to be in one.
    private mutating func fill() throws(VirtioFailure) {
        while stock.isEmpty || isMergeable && room < UInt64(NetworkHeader.byteCount + NetworkHeader.longestFrame) {
            guard let request = try next() else { return }
            let byteCount = request.writableBytes
            room += byteCount
            buffers.append(request.writableBuffers)
            stock.append(queue.park(request))
            guard byteCount >= NetworkHeader.byteCount else { throw .malformedRequest(queue: index) }
        }
    }

    private mutating func next() throws(VirtioFailure) -> VirtqueueRequest? {
        do throws(VirtqueueError) {
            if let request = try queue.pop() { return request }
            return try queue.beginBatch() > 0 ? try queue.pop() : nil
        } catch { throw .queue(index, error) }
    }

    /// Where the frame just received wants to go; everybody's address where the driver's buffers part it.
    private var destination: UInt64 {
        var bytes = InlineArray<6, UInt8>(repeating: 0xff)
        var span = bytes.mutableSpan
        guard let first = buffers.first, first.read(at: UInt64(NetworkHeader.byteCount), into: &span) == 6 else {
            return 0xffff_ffff_ffff
        }
        return (0..<6).reduce(0) { $0 | UInt64(bytes[$1]) << UInt64(8 * $1) }
    }

    /// Gives the driver a frame that is in the buffers.
    private mutating func deliver(_ byteCount: Int, hasChecksums: Bool) {
        var count = 0
        var left = UInt64(byteCount)
        while left > 0 {
            left -= min(left, buffers[count].byteCount)
            count += 1
        }
        left = UInt64(byteCount)
        for position in 0..<count {
            guard let request = queue.unpark(stock[position]) else { preconditionFailure("the stock is parked") }
            if position == 0 {
                let bytes: InlineArray<2, UInt8> = [
                    UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8),
                ]
                _ = request.write(bytes.span, at: NetworkHeader.bufferCountOffset)
                let none: InlineArray<1, UInt8> = [0]
                if !hasChecksums { _ = request.write(none.span, at: 0) }
            }
            let written = min(left, request.writableBytes)
            left -= written
            room -= request.writableBytes
            queue.complete(request, written: UInt32(truncatingIfNeeded: written))
        }
        stock.removeFirst(count)
        buffers.removeFirst(count)
    }

    private mutating func dropStock() {
        stock.removeAll()
        buffers.removeAll()
        room = 0
    }

    /// For saving: the stock is made available again, the last request first.
    mutating func putBackAndSave() -> VirtqueueState? {
        for parked in stock.reversed() {
            guard let request = queue.unpark(parked) else { preconditionFailure("the stock is parked") }
            queue.putBack(request)
        }
        dropStock()
        return queue.state
    }
}
