import Virtio

/// A socket device while its driver runs it: queues and connections. It is used under the device's lock.
struct SocketCore: ~Copyable {
    /// Numbers of the queues (5.10.2).
    enum Queue {
        static let receive = 0
        static let transmit = 1
        static let event = 2
    }

    /// Resets for packets that belong to no connection. While there is no room for another, the guest's packets wait in
    /// their queue (5.10.6.1).
    static let strayLimit = 64

    let guestCID: UInt64
    let host: any SocketHost
    let notifier: VirtioNotifier
    /// Makes the handler that a stream tells its changes by.
    let changed: @Sendable (Int) -> @Sendable () -> Void
    var receiveQueue: Virtqueue
    var transmitQueue: Virtqueue
    var eventQueue: Virtqueue
    var table = SocketTable()
    var strays = SocketLine<SocketHeader>()
    /// The guest's packets wait.
    var isTransmitHeld = false
    /// A connection may wait for its guest to answer: time counts.
    var isWaitingForGuest = false
    /// The guest is to hear that all connections it knew are gone (5.10.6.7).
    var mustTellReset: Bool

    // MARK: Connections of the host's

    mutating func connect(
        _ stream: any SocketStream, toPort port: UInt32, answer: @escaping @Sendable (SocketAnswer) -> Void
    ) {
        guard !notifier.needsReset else { return Self.refuse(stream, .notReady, answer) }
        guard !table.isFull else { return Self.refuse(stream, .tooMany, answer) }
        let ports = SocketPorts(host: table.takePort(toGuest: port), guest: port)
        let connection = SocketConnection(ports, stream, .requested)
        connection.answer = answer
        connection.ticksLeft = VirtioSocket.patience
        isWaitingForGuest = true
        connection.notices = .request
        add(connection)
        receive()
    }

    static func refuse(_ stream: any SocketStream, _ why: SocketAnswer, _ answer: (SocketAnswer) -> Void) {
        answer(why)
        stream.close()
    }

    mutating func add(_ connection: SocketConnection) {
        let number = table.insert(connection)
        connection.stream.start(changed: changed(number))
        table.enqueue(number)
    }

    /// A stream has more to read, keeps less, or came to an end.
    mutating func streamChanged(_ number: Int) {
        guard let connection = table[number] else { return }
        switch connection.phase {
        case .draining:
            if connection.stream.keptByteCount == 0 { drop(number, connection) }
            return
        case .ended, .requested, .gone: return
        case .open: break
        }
        connection.mayHaveData = true
        noteStream(connection)
        table.enqueue(number)
        receive()
    }

    /// Looks for what the guest has to hear of a stream.
    func noteStream(_ connection: SocketConnection) {
        connection.noteForwarded()
        if connection.stream.isOutputGone { connection.hostEnded(.receive) }
    }

    // MARK: Ends of connections

    /// Ends a connection that the guest is to hear no more of. The host's side still gets what the guest sent before it
    /// said that it was done.
    mutating func finish(_ number: Int, _ connection: SocketConnection, _ answer: SocketAnswer = .refused) {
        table.releasePorts(of: connection)
        connection.give(answer)
        connection.notices = []
        connection.ticksLeft = nil
        if connection.guestEnds.contains(.send), connection.stream.keptByteCount > 0 {
            connection.phase = .draining
            connection.stream.setReading(false)
        } else {
            drop(number, connection)
        }
    }

    private mutating func drop(_ number: Int, _ connection: SocketConnection) {
        connection.stream.close()
        table.remove(number)
    }

    /// Ends a connection, of which the guest hears by a reset. It keeps its ports until then. The host's side ends at
    /// once, unless the guest is done in good order.
    mutating func abort(_ number: Int, _ connection: SocketConnection, _ answer: SocketAnswer = .refused) {
        connection.give(answer)
        connection.phase = .ended
        connection.notices = .reset
        connection.ticksLeft = nil
        if connection.guestEnds != .both { connection.stream.close() }
        table.enqueue(number)
    }

    /// Closes all streams, for a reset or since the driver broke the device.
    mutating func closeAll() {
        for case let connection? in table.slots {
            connection.give(.notReady)
            connection.stream.close()
        }
        table = SocketTable()
        strays = SocketLine()
    }

    mutating func fail(_ failure: VirtioFailure) {
        closeAll()
        notifier.fail(failure)
    }

    // MARK: Time

    mutating func tick() {
        isWaitingForGuest = false
        for (number, connection) in table.slots.enumerated() {
            guard let connection, let left = connection.ticksLeft else { continue }
            connection.ticksLeft = left - 1
            if left <= 1 { abort(number, connection, .timedOut) } else { isWaitingForGuest = true }
        }
        receive()
    }

    // MARK: Events

    /// VIRTIO_VSOCK_EVENT_TRANSPORT_RESET, when the driver has given a buffer for it.
    mutating func tellReset() {
        guard mustTellReset else { return }
        eventQueue.disableNotifications()
        do throws(VirtqueueError) {
            try eventQueue.beginBatch()
            if let request = try eventQueue.pop() {
                // le32 id 0, all that an event has.
                let written = request.write([0, 0, 0, 0].span, at: 0)
                mustTellReset = written < 4
                eventQueue.complete(request, written: UInt32(written))
            }
        } catch { return fail(.queue(Queue.event, error)) }
        if eventQueue.publish() { notifier.queueUsed(Queue.event) }
        if mustTellReset, eventQueue.enableNotifications() { notifier.serveAgain(queue: Queue.event) }
    }

    var queueStates: [VirtqueueState?]? {
        guard let receive = receiveQueue.state, let transmit = transmitQueue.state, let event = eventQueue.state else {
            return nil
        }
        return [receive, transmit, event]
    }
}
