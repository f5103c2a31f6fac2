package import Virtio

/// What a driver did that a device cannot go on after: the reason for NEEDS_RESET (virtio 1.2, section 2.1.2).
package enum VirtioFailure: Error, Equatable, Sendable {
    /// A queue's set-up or contents are wrong.
    case queue(Int, VirtqueueError)
    /// The driver wants a queue of a size that is not a power of two from 1 to `maximum`.
    case queueSize(queue: Int, size: UInt32, maximum: UInt16)
    /// A request lacks a header or a place for its status.
    case malformedRequest(queue: Int)
    /// A packet says that it has more data than its buffers hold.
    case packetBeyondBuffers(queue: Int, length: UInt32, room: UInt64)
    /// The driver set DRIVER_OK without features that both sides agree on.
    case notNegotiated
}

extension VirtioFailure: CustomStringConvertible {
    /// One line: what is wrong, with its numbers.
    package var description: String {
        switch self {
        case .queue(let index, let error): "queue \(index): \(error)"
        case .queueSize(let queue, let size, let maximum):
            "queue \(queue): the driver wants \(size) entries, not a power of two from 1 to \(maximum)"
        case .malformedRequest(let queue): "queue \(queue): a request has no whole header, or no place for its status"
        case .packetBeyondBuffers(let queue, let length, let room):
            "queue \(queue): a packet of \(length) bytes is in buffers of \(room)"
        case .notNegotiated: "the driver starts the device before features are agreed on"
        }
    }
}
