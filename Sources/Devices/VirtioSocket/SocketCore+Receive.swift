import Virtio

/// What the guest receives.
extension SocketCore {
    private var hasSomething: Bool { !strays.isEmpty || !table.isLineEmpty }

    /// Sends what there is, as far as the guest has buffers for it: one batch. Connections take turns, a packet each. What
    /// finds no buffer waits in the host's sockets.
    mutating func receive() {
        guard hasSomething, !notifier.needsReset else { return }
        receiveQueue.disableNotifications()
        var failure: VirtioFailure?
        do throws(VirtqueueError) {
            try receiveQueue.beginBatch()
            while failure == nil, hasSomething, let request = try receiveQueue.pop() {
                // Room for a header and data, or nothing would ever come through.
                guard request.writableBytes > SocketHeader.byteCount else {
                    failure = .malformedRequest(queue: Queue.receive)
                    receiveQueue.complete(request, written: 0)
                    break
                }
                guard let written = fill(request) else {
                    receiveQueue.putBack(request)
                    break
                }
                receiveQueue.complete(request, written: written)
            }
        } catch { failure = .queue(Queue.receive, error) }
        if receiveQueue.publish() { notifier.queueUsed(Queue.receive) }
        if let failure { return fail(failure) }
        if hasSomething {
            table.forEachInLine { $0.stream.setReading(false) }
            if receiveQueue.enableNotifications() { notifier.serveAgain(queue: Queue.receive) }
        }
        if isTransmitHeld, strays.count < Self.strayLimit {
            isTransmitHeld = false
            notifier.serveAgain(queue: Queue.transmit)
        }
    }

    /// Fills a buffer with the next packet.
    /// - Returns: the bytes written; nil where there is no packet after all.
    private mutating func fill(_ request: borrowing VirtqueueRequest) -> UInt32? {
        if let stray = strays.popFirst() {
            stray.store(in: request)
            return UInt32(SocketHeader.byteCount)
        }
        while let number = table.first {
            if let connection = table[number] {
                if let header = connection.nextNotice(guestCID: guestCID) {
                    header.store(in: request)
                    if connection.ticksLeft != nil { isWaitingForGuest = true }
                    if connection.phase == .ended {
                        table.dequeue()
                        finish(number, connection)
                    } else {
                        table.rotate()
                    }
                    return UInt32(SocketHeader.byteCount)
                }
                if let written = fillWithData(request, connection) {
                    table.rotate()
                    return written
                }
                // Reading brought something else to tell.
                if !connection.notices.isEmpty { continue }
            }
            table.dequeue()
        }
        return nil
    }

    /// Reads from the host's side right into the buffer, behind the header.
    private func fillWithData(_ request: borrowing VirtqueueRequest, _ connection: SocketConnection) -> UInt32? {
        guard connection.isReadable else { return nil }
        let credit = connection.credit
        guard credit > 0 else {
            connection.stream.setReading(false)
            connection.askForCredit()
            return nil
        }
        let outcome = request.withWritableBuffers(from: SocketHeader.byteCount, atMost: UInt64(credit)) {
            connection.stream.read(into: $0)
        }
        switch outcome {
        case .nothing:
            connection.mayHaveData = false
            connection.stream.setReading(true)
            return nil
        case .end:
            connection.stream.setReading(false)
            connection.hostEnded(connection.stream.isOutputGone ? .both : .send)
            return nil
        case .bytes(let count):
            var header = connection.header(.data, guestCID: guestCID)
            header.length = UInt32(truncatingIfNeeded: count)
            connection.didSend(header.length)
            header.store(in: request)
            return UInt32(SocketHeader.byteCount) + header.length
        }
    }
}
