import Virtio

/// What the guest sends.
extension SocketCore {
    /// Takes one batch of the guest's packets, and sends what there is to answer.
    mutating func transmit() {
        transmitQueue.disableNotifications()
        var failure: VirtioFailure?
        do throws(VirtqueueError) {
            try transmitQueue.beginBatch()
            while failure == nil, strays.count < Self.strayLimit, let request = try transmitQueue.pop() {
                failure = take(request)
                transmitQueue.complete(request, written: 0)
            }
        } catch { failure = .queue(Queue.transmit, error) }
        if transmitQueue.publish() { notifier.queueUsed(Queue.transmit) }
        if let failure { return fail(failure) }
        isTransmitHeld = strays.count >= Self.strayLimit
        receive()
        // Held, it goes on when the guest has taken resets.
        if !isTransmitHeld, transmitQueue.enableNotifications() { notifier.serveAgain(queue: Queue.transmit) }
    }

    private mutating func take(_ request: borrowing VirtqueueRequest) -> VirtioFailure? {
        guard let header = SocketHeader(request) else { return .malformedRequest(queue: Queue.transmit) }
        let room = request.readableBytes - SocketHeader.byteCount
        guard UInt64(header.length) <= room else {
            return .packetBeyondBuffers(queue: Queue.transmit, length: header.length, room: room)
        }
        let operation = SocketOperation(rawValue: header.operation)
        guard header.type == SocketHeader.streamType, header.source.cid == guestCID,
            header.destination.cid == VirtioSocket.hostCID
        else {
            refuse(header)
            return nil
        }
        let ports = SocketPorts(host: header.destination.port, guest: header.source.port)
        if let (number, connection) = table[ports] {
            take(header, operation, request, number, connection)
        } else if operation == .request {
            open(ports, header)
        } else {
            refuse(header)
        }
        return nil
    }

    /// Answers a packet that belongs nowhere by a reset (5.10.6.4, 5.10.6.5), unless it is one.
    private mutating func refuse(_ header: SocketHeader) {
        guard header.operation != SocketOperation.reset.rawValue else { return }
        var reset = SocketHeader(from: header.destination, to: header.source, .reset)
        reset.type = header.type
        strays.append(reset)
    }

    private mutating func open(_ ports: SocketPorts, _ header: SocketHeader) {
        guard !table.isFull, let stream = host.openStream(port: ports.host, fromGuestPort: ports.guest) else {
            return refuse(header)
        }
        let connection = SocketConnection(ports, stream, .open)
        connection.updateCredit(header)
        connection.notices = .response
        add(connection)
    }

    /// A packet of a connection's.
    private mutating func take(
        _ header: SocketHeader, _ operation: SocketOperation?, _ request: borrowing VirtqueueRequest, _ number: Int,
        _ connection: SocketConnection
    ) {
        if operation == .reset { return finish(number, connection) }
        guard connection.phase != .ended else { return }
        connection.updateCredit(header)
        switch (operation, connection.phase) {
        case (.response, .requested) where !connection.notices.contains(.request):
            connection.phase = .open
            connection.ticksLeft = nil
            connection.give(.accepted(hostPort: connection.ports.host))
            noteStream(connection)
        case (.data, .open) where !connection.guestEnds.contains(.send) && connection.hasRoom(for: header.length):
            request.withReadableBuffers(from: SocketHeader.byteCount, atMost: UInt64(header.length)) {
                connection.stream.write($0)
            }
            connection.didReceive(header.length)
            noteStream(connection)
        case (.shutdown, .open):
            connection.guestEnded(SocketShutdown(rawValue: header.flags).intersection(.both))
            if connection.guestEnds == .both { return abort(number, connection) }
        case (.creditUpdate, .open), (.creditUpdate, .requested): break
        case (.creditRequest, .open): connection.notices.insert(.creditUpdate)
        // What comes at the wrong time, twice, without credit, or is unknown.
        default: return abort(number, connection)
        }
        if connection.wantsTurn { table.enqueue(number) }
    }
}
