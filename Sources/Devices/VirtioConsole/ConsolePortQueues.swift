import Virtio

/// The two queues of a console device's port while its driver runs it. They are used under the port's lock.
struct ConsolePortQueues: ~Copyable {
    private let notifier: VirtioNotifier
    private let receiveIndex: Int
    private var receiveQueue: Virtqueue
    private var transmitQueue: Virtqueue
    /// The backend has no room.
    private(set) var isBlocked = false

    init(
        notifier: VirtioNotifier, receiveIndex: Int, receiveQueue: consuming Virtqueue,
        transmitQueue: consuming Virtqueue
    ) {
        self.notifier = notifier
        self.receiveIndex = receiveIndex
        self.receiveQueue = receiveQueue
        self.transmitQueue = transmitQueue
    }

    private var transmitIndex: Int { receiveIndex + 1 }

    /// The backend has room again.
    mutating func unblock() {
        guard isBlocked else { return }
        isBlocked = false
        serveTransmitAgain()
    }

    var states: [VirtqueueState?]? {
        guard let receive = receiveQueue.state, let transmit = transmitQueue.state else { return nil }
        return [receive, transmit]
    }

    func serveReceiveAgain() { notifier.serveAgain(queue: receiveIndex) }
    func serveTransmitAgain() { notifier.serveAgain(queue: transmitIndex) }

    /// Fills the guest's buffers, one batch of them.
    /// - Returns: how many bytes found room. After fewer than all, the driver notifies of the next buffer.
    mutating func receive(_ bytes: Span<UInt8>) -> Int {
        receiveQueue.disableNotifications()
        var done = 0
        var failure: VirtqueueError?
        do throws(VirtqueueError) {
            try receiveQueue.beginBatch()
            while done < bytes.count, let request = try receiveQueue.pop() {
                let count = request.write(bytes.extracting(droppingFirst: done), at: 0)
                receiveQueue.complete(request, written: UInt32(count))
                done += count
            }
        } catch { failure = error }
        if receiveQueue.publish() { notifier.queueUsed(receiveIndex) }
        if let failure {
            notifier.fail(.queue(receiveIndex, failure))
        } else if done < bytes.count, receiveQueue.enableNotifications() {
            serveReceiveAgain()
        }
        return done
    }

    /// Gives the backend what the guest wrote, one batch of it.
    /// - Parameters:
    ///   - sent: of the first request.
    ///   - turn: where to stop.
    mutating func transmit(to backend: any ConsoleBackend, sent: inout UInt64, turn: UInt64) {
        guard !isBlocked else { return }
        transmitQueue.disableNotifications()
        var left = turn
        var failure: VirtqueueError?
        do throws(VirtqueueError) {
            try transmitQueue.beginBatch()
            while left > 0, let request = try transmitQueue.pop() {
                guard send(request, to: backend, from: &sent, atMost: &left) else {
                    transmitQueue.putBack(request)
                    break
                }
                sent = 0
                transmitQueue.complete(request, written: 0)
            }
        } catch { failure = error }
        if transmitQueue.publish() { notifier.queueUsed(transmitIndex) }
        if let failure { return notifier.fail(.queue(transmitIndex, failure)) }
        // A backend without room tells when it has some.
        if !isBlocked, transmitQueue.enableNotifications() { serveTransmitAgain() }
    }

    /// - Returns: whether all of the request was sent.
    private mutating func send(
        _ request: borrowing VirtqueueRequest, to backend: any ConsoleBackend, from sent: inout UInt64,
        atMost left: inout UInt64
    ) -> Bool {
        var chunk = InlineArray<1024, UInt8>(repeating: 0)
        while left > 0 {
            var span = chunk.mutableSpan
            let count = request.read(at: sent, into: &span)
            guard count > 0 else { return true }
            let taken = backend.transmit(chunk.span.extracting(first: count))
            precondition(taken >= 0 && taken <= count)
            sent += UInt64(taken)
            left -= min(left, UInt64(taken))
            if taken < count {
                isBlocked = true
                return false
            }
        }
        return sent >= request.readableBytes
    }
}
