package import Virtio

/// Where a network device's frames go to and come from, as the device sees it. It lasts over resets.
package protocol NetworkInterface: AnyObject, Sendable {
    /// What there is to tell the guest; the same as long as the machine runs.
    var properties: NetworkProperties { get }

    /// Whether frames find somebody at the other end.
    var isUp: Bool { get }

    /// Calls `changed` whenever `isUp` may have changed, on the thread that serves the device; nobody else any more.
    func watchLink(_ changed: @escaping @Sendable () -> Void)

    /// The way to the network for one pair of queues, while a driver runs it.
    ///
    /// - Parameters:
    ///   - pair: below `pairCount`; each has one lane at a time.
    ///   - ready: called on the thread that serves the device when what the lane was told to wait for is there; not from
    ///     within any of the lane's calls.
    func makeLane(pair: Int, ready: @escaping @Sendable () -> Void) -> any NetworkLane

    /// What the driver leaves to the device of received frames. Others come complete.
    func setReceiveOffloads(_ offloads: NetworkOffloads)

    /// Frames come for the first `count` pairs only.
    func setPairCount(_ count: Int)
}

/// What of a frame one side leaves to the other.
package struct NetworkOffloads: OptionSet, Codable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Checksums of TCP and UDP; all others go with it.
    package static let checksum = NetworkOffloads(rawValue: 1)
    /// TCP over IPv4 in segments larger than the MTU.
    package static let tcp4 = NetworkOffloads(rawValue: 2)
    /// The same over IPv6.
    package static let tcp6 = NetworkOffloads(rawValue: 4)
    /// Such segments with explicit congestion notification.
    package static let congestion = NetworkOffloads(rawValue: 8)
    /// UDP in segments larger than the MTU.
    package static let udp = NetworkOffloads(rawValue: 16)
}

/// What a network interface is like.
package struct NetworkProperties: Equatable, Sendable {
    /// The guest's address on the network: six bytes, the first the lowest.
    package var address: UInt64
    /// Bytes of a frame behind its Ethernet header, 68 to 65535.
    package var mtu: UInt16 = 1500
    /// What the interface can do, of frames sent and received alike.
    package var offloads: NetworkOffloads = []
    /// Pairs of queues, 1 to 8.
    package var pairCount = 1

    package init(address: UInt64) { self.address = address }
}

/// One pair of queues' way to the network. One thread at a time uses it.
package protocol NetworkLane: AnyObject {
    /// Takes a frame to send. Its buffers stay until `flush` returns.
    ///
    /// - Parameter header: checked against the frame.
    /// - Returns: false where there is no room. There may be after `flush`, or else once `ready` was called.
    func send(_ header: NetworkHeader, _ frame: GuestBuffers) -> Bool

    /// Sends all that was taken. What the network does not take is dropped, as networks do.
    func flush()

    /// Receives one frame, behind a header of `NetworkHeader.byteCount` bytes, into all of the buffers one after the other.
    /// - Returns: the bytes of both, which are more than there is room for if the frame is lost; nil if there is none.
    func receive(into buffers: [GuestBuffers]) -> Int?

    /// What to call `ready` for: that a frame may be there, that there may be room to send.
    func wait(forFrames: Bool, forRoom: Bool)
}
