package import Virtio

/// What a guest's connections to the host lead to.
package protocol SocketHost: AnyObject, Sendable {
    /// The guest asks for a connection to the host's `port`: the stream that it leads to, or nil to refuse it. Called on
    /// the thread that serves the device, with its lock held: it returns at once, and calls no device.
    func openStream(port: UInt32, fromGuestPort guestPort: UInt32) -> (any SocketStream)?
}

/// The host's end of one connection: bytes both ways, neither of which ever waits. The device uses a stream with its lock
/// held, from one thread at a time.
package protocol SocketStream: AnyObject, Sendable {
    /// Has `changed` called whenever there is more to read after `setReading(true)`, what was kept became less, or an end
    /// was met: on the thread that serves the device, never from within another call.
    func start(changed: @escaping @Sendable () -> Void)

    /// Fills `buffers` from their front.
    func read(into buffers: GuestBuffers) -> SocketRead

    /// Takes all bytes of `buffers`. What the host has no room for is kept: the device never has more than
    /// `VirtioSocket.bufferSize` bytes kept. What nobody will read is dropped.
    func write(_ buffers: GuestBuffers)

    /// Bytes that were written and are kept.
    var keptByteCount: Int { get }

    /// Nobody reads what is written any more.
    var isOutputGone: Bool { get }

    /// Whether to tell when there is something to read.
    func setReading(_ isReading: Bool)

    /// There is no more to write: the host's side sees the end behind what is kept.
    func endOutput()

    /// Nobody reads any more: the host's side sees that it writes for nobody.
    func endInput()

    /// Lets go of the host's side, and of what is kept. May be called again.
    func close()
}

/// What came of reading from a stream.
package enum SocketRead: Equatable, Sendable {
    /// So many bytes, at least 1.
    case bytes(Int)
    /// There is nothing now.
    case nothing
    /// There is nothing and never will be.
    case end
}

/// What became of a connection that the host asked for.
package enum SocketAnswer: Equatable, Sendable {
    /// The guest took it. The host's port tells it from others.
    case accepted(hostPort: UInt32)
    /// Nobody in the guest listens at that port.
    case refused
    /// The guest did not answer in time.
    case timedOut
    /// The guest's driver has not started the device, or resets it.
    case notReady
    /// There are as many connections as can be.
    case tooMany
}
