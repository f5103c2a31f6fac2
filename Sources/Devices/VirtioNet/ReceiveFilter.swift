/// Which frames the driver wants, by their destinations (virtio 1.2, sections 5.1.6.5.1 and 5.1.6.5.2).
struct ReceiveFilter: Codable, Equatable, Sendable {
    /// Addresses in each table; a driver with more of them gets all frames of the kind.
    static let tableLimit = 64

    /// Addresses that a driver wants frames for.
    struct Table: Codable, Equatable, Sendable {
        var addresses: [UInt64] = []
        var isFull = false

        func has(_ address: UInt64) -> Bool { isFull || addresses.contains(address) }
    }

    /// The device's own.
    var address: UInt64
    var isPromiscuous = false
    var takesAllMulticast = false
    var unicast = Table()
    var multicast = Table()
    /// Without VIRTIO_NET_F_CTRL_RX the driver expects everything.
    var isActive = false

    init(address: UInt64) { self.address = address }

    private static let broadcast: UInt64 = 0xffff_ffff_ffff

    /// Whether a frame for `destination` is wanted: six bytes, the first the lowest.
    func accepts(_ destination: UInt64) -> Bool {
        if !isActive || isPromiscuous || destination == address || destination == Self.broadcast { return true }
        // The first bit on the wire tells groups.
        return destination & 1 == 0 ? unicast.has(destination) : takesAllMulticast || multicast.has(destination)
    }
}
