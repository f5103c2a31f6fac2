import Virtio

/// The control queues of a console device with several ports (virtio 1.2, section 5.3.6.2) while its driver runs it. What is
/// still to be said is kept as a set for each port, so a driver that does not listen makes nothing grow.
struct ConsoleControl: ~Copyable {
    /// What the driver is still to hear of a port, in this order.
    struct Pending: OptionSet {
        let rawValue: UInt8
        static let add = Pending(rawValue: 1 << 0)
        static let console = Pending(rawValue: 1 << 1)
        static let name = Pending(rawValue: 1 << 2)
        static let open = Pending(rawValue: 1 << 3)

        static let order: [(Pending, ConsoleEvent)] = [
            (.add, .portAdd), (.console, .consolePort), (.name, .portName), (.open, .portOpen),
        ]
    }

    /// Bytes of `struct virtio_console_control`.
    private static let messageSize = 8

    static let receiveIndex = 2
    static let transmitIndex = 3

    private var receive: Virtqueue
    private var transmit: Virtqueue
    private let notifier: VirtioNotifier
    private var pending: [Pending]

    init?(_ activation: VirtioActivation, portCount: Int) {
        guard let receive = activation.makeQueue(Self.receiveIndex),
            let transmit = activation.makeQueue(Self.transmitIndex)
        else { return nil }
        self.receive = receive
        self.transmit = transmit
        notifier = activation.notifier
        pending = [Pending](repeating: [], count: portCount)
    }

    var states: [VirtqueueState?]? {
        guard let receive = receive.state, let transmit = transmit.state else { return nil }
        return [receive, transmit]
    }

    /// Takes what the driver says.
    /// - Parameter opened: of each port of which the driver said whether it is open.
    mutating func serveTransmit(_ ports: [VirtioConsolePort], opened: (Int, Bool) -> Void) {
        var pending = pending
        notifier.serveBatch(of: &transmit, index: Self.transmitIndex) { request in
            guard let port = request.load(UInt32.self, at: 0), let code = request.load(UInt16.self, at: 4),
                let event = ConsoleEvent(rawValue: code), let value = request.load(UInt16.self, at: 6)
            else { return 0 }
            switch event {
            // The driver is no good, or the port is not, when the value is 0.
            case .deviceReady where value == 1:
                for index in pending.indices { pending[index].insert(.add) }
            case .portReady where value == 1 && port < ports.count:
                let index = Int(port)
                if ports[index].isConsole { pending[index].insert(.console) }
                if ports[index].name != nil { pending[index].insert(.name) }
                pending[index].insert(.open)
            case .portOpen where port < ports.count: opened(Int(port), value == 1)
            default: break
            }
            return 0
        }
        self.pending = pending
        tell(ports)
    }

    /// Says what there is to say, as far as the driver has buffers for it: a batch.
    mutating func tell(_ ports: [VirtioConsolePort]) {
        receive.disableNotifications()
        var failure: VirtqueueError?
        do throws(VirtqueueError) {
            try receive.beginBatch()
            while let (index, flag, event) = next, let request = try receive.pop() {
                let name = event == .portName ? ports[index].name : nil
                let written = Self.write(event, port: index, name: name, to: request)
                receive.complete(request, written: UInt32(written))
                pending[index].remove(flag)
            }
        } catch { failure = error }
        if receive.publish() { notifier.queueUsed(Self.receiveIndex) }
        if let failure { return notifier.fail(.queue(Self.receiveIndex, failure)) }
        if next != nil, receive.enableNotifications() { notifier.serveAgain(queue: Self.receiveIndex) }
    }

    private var next: (Int, Pending, ConsoleEvent)? {
        for (index, pending) in pending.enumerated() {
            for (flag, event) in Pending.order where pending.contains(flag) { return (index, flag, event) }
        }
        return nil
    }

    private static func write(
        _ event: ConsoleEvent, port: Int, name: String?, to request: borrowing VirtqueueRequest
    ) -> Int {
        var message: [UInt8] = []
        message.reserveCapacity(messageSize + (name?.utf8.count ?? 0))
        for shift in stride(from: 0, to: 32, by: 8) { message.append(UInt8(truncatingIfNeeded: port >> shift)) }
        message += [UInt8(truncatingIfNeeded: event.rawValue), 0, 1, 0]
        if let name { message += Array(name.utf8) }
        return request.write(message.span, at: 0)
    }
}
