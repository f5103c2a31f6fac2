import Synchronization
import Virtio

/// A port of a console device: a stream each way (virtio 1.2, section 5.3.6).
package final class VirtioConsolePort: ConsolePort {
    /// What the guest finds the port by, in `/dev/virtio-ports`; nil for none. At most 255 bytes of UTF-8 without a NUL.
    package let name: String?
    /// Whether the guest makes it one of its consoles: `hvc0` and so on.
    package let isConsole: Bool
    private let backend: any ConsoleBackend
    // Held while a queue is served: reset waits for its end.
    private let active = Mutex(Active())

    /// Bytes given to the backend before other devices get their turn.
    private static let turn: UInt64 = 64 << 10

    private struct Active: ~Copyable {
        var queues: ConsolePortQueues?
        var state = State()
    }

    /// What is saved beside the queues.
    package struct State: Codable, Equatable, Sendable {
        /// A program of the guest's has opened the port, or it is a console: what comes before is lost there.
        package var isOpen = false
        /// Bytes of the request at the transmit queue's front that the backend has.
        package var sentBytes: UInt64 = 0

        package init() {}
    }

    package init(name: String? = nil, isConsole: Bool, backend: any ConsoleBackend) {
        self.name = name
        self.isConsole = isConsole
        self.backend = backend
    }

    package var state: State { active.withLock { $0.state } }

    /// Before the device is activated again.
    package func restore(_ state: State) { active.withLock { $0.state = state } }

    // MARK: The host's side

    package func receive(_ bytes: Span<UInt8>) -> Int {
        active.withLock { active in
            guard active.state.isOpen else { return 0 }
            return active.queues?.receive(bytes) ?? 0
        }
    }

    package func transmitReady() {
        active.withLock { $0.queues?.unblock() }
    }

    // MARK: The device's side

    /// - Parameter isOpen: the guest takes input at once.
    func activate(_ activation: VirtioActivation, port: Int, isOpen: Bool) {
        let index = ConsoleQueueRole.receiveQueue(ofPort: port)
        active.withLock { active in
            guard index + 1 < activation.queues.count, let receive = activation.makeQueue(index),
                let transmit = activation.makeQueue(index + 1)
            else { return }
            if isOpen { active.state.isOpen = true }
            active.queues = ConsolePortQueues(
                notifier: activation.notifier, receiveIndex: index, receiveQueue: receive, transmitQueue: transmit)
            // There may be input that waits.
            active.queues?.serveReceiveAgain()
        }
    }

    func reset() {
        active.withLock { active in
            active.queues = nil
            active.state = State()
        }
    }

    /// A program of the guest's opened the port or closed it.
    func setOpen(_ isOpen: Bool) {
        active.withLock { active in
            active.state.isOpen = isOpen
            if isOpen { active.queues?.serveReceiveAgain() }
        }
    }

    /// The guest has room for input, or may have.
    func receiveNotified() { backend.receiveReady() }

    func transmitNotified() {
        active.withLock { active in
            // Apart from the rest, as the backend is called meanwhile.
            var sent = active.state.sentBytes
            active.queues?.transmit(to: backend, sent: &sent, turn: Self.turn)
            active.state.sentBytes = sent
        }
    }

    /// The byte that a driver writes into the configuration space when all else fails (5.3.4.2).
    func transmitInEmergency(_ byte: UInt8) {
        let bytes: [1 of UInt8] = [byte]
        active.withLock { _ in _ = backend.transmit(bytes.span) }
    }

    /// Of the receive queue and the transmit queue; nil while a request is in flight.
    var queueStates: [VirtqueueState?]? {
        active.withLock { active in
            guard active.queues != nil else { return [nil, nil] }
            return active.queues?.states
        }
    }
}
