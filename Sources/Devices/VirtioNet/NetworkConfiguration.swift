/// Features of network devices (virtio 1.2, section 5.1.3).
extension VirtioFeatures {
    static let netChecksum = VirtioFeatures(rawValue: 1 << 0)
    static let netGuestChecksum = VirtioFeatures(rawValue: 1 << 1)
    static let netControlGuestOffloads = VirtioFeatures(rawValue: 1 << 2)
    static let netMTU = VirtioFeatures(rawValue: 1 << 3)
    static let netAddress = VirtioFeatures(rawValue: 1 << 5)
    static let netGuestTCP4 = VirtioFeatures(rawValue: 1 << 7)
    static let netGuestTCP6 = VirtioFeatures(rawValue: 1 << 8)
    static let netGuestCongestion = VirtioFeatures(rawValue: 1 << 9)
    static let netHostTCP4 = VirtioFeatures(rawValue: 1 << 11)
    static let netHostTCP6 = VirtioFeatures(rawValue: 1 << 12)
    static let netHostCongestion = VirtioFeatures(rawValue: 1 << 13)
    static let netMergeableBuffers = VirtioFeatures(rawValue: 1 << 15)
    static let netStatus = VirtioFeatures(rawValue: 1 << 16)
    static let netControlQueue = VirtioFeatures(rawValue: 1 << 17)
    static let netControlReceive = VirtioFeatures(rawValue: 1 << 18)
    static let netMultipleQueues = VirtioFeatures(rawValue: 1 << 22)
    static let netControlAddress = VirtioFeatures(rawValue: 1 << 23)
    static let netGuestUDP4 = VirtioFeatures(rawValue: 1 << 54)
    static let netGuestUDP6 = VirtioFeatures(rawValue: 1 << 55)
    static let netHostUDP = VirtioFeatures(rawValue: 1 << 56)

    /// An offload, and what names it: for frames that the driver receives (`GUEST_…`), and that it sends.
    private struct Offload {
        let offload: NetworkOffloads
        let receive: VirtioFeatures
        let send: VirtioFeatures
    }

    private static let offloads = [
        Offload(offload: .checksum, receive: .netGuestChecksum, send: .netChecksum),
        Offload(offload: .tcp4, receive: .netGuestTCP4, send: .netHostTCP4),
        Offload(offload: .tcp6, receive: .netGuestTCP6, send: .netHostTCP6),
        Offload(offload: .congestion, receive: .netGuestCongestion, send: .netHostCongestion),
        Offload(offload: .udp, receive: [.netGuestUDP4, .netGuestUDP6], send: .netHostUDP),
    ]

    /// The features of all `offloads`, in both directions.
    init(_ offloads: NetworkOffloads) {
        self = []
        for entry in Self.offloads where offloads.contains(entry.offload) {
            formUnion(entry.receive.union(entry.send))
        }
    }

    /// What the driver leaves to the device of frames that it sends.
    var sendOffloads: NetworkOffloads { offloads { $0.send } }

    /// What the device leaves to the driver of frames that it receives.
    var receiveOffloads: NetworkOffloads { offloads { $0.receive } }

    /// What names offloads of received frames: as bits, what a driver may switch later (5.1.6.5.6).
    static let allReceiveOffloads = offloads.reduce(VirtioFeatures()) { $0.union($1.receive) }

    private func offloads(_ side: (Offload) -> VirtioFeatures) -> NetworkOffloads {
        var result: NetworkOffloads = []
        for entry in Self.offloads where isSuperset(of: side(entry)) { result.insert(entry.offload) }
        // The others need checksums (5.1.3.1).
        return result.contains(.checksum) ? result : []
    }
}

extension NetworkProperties {
    /// What a device over this interface offers.
    var features: VirtioFeatures {
        var features: VirtioFeatures = [
            .netAddress, .netMTU, .netStatus, .netMergeableBuffers, .netControlQueue, .netControlReceive,
            .netControlAddress,
        ]
        features.formUnion(VirtioFeatures(offloads))
        if !offloads.isEmpty { features.insert(.netControlGuestOffloads) }
        if pairCount > 1 { features.insert(.netMultipleQueues) }
        return features
    }

    /// `struct virtio_net_config` (5.1.4), up to the MTU.
    func configuration(isUp: Bool) -> VirtioConfigurationSpace {
        let space = VirtioConfigurationSpace([UInt8](repeating: 0, count: 12))
        space.storeAddress(address)
        space.storeLink(isUp: isUp)
        space.store(UInt16(pairCount), at: 8)
        space.store(mtu, at: 10)
        return space
    }
}

extension VirtioConfigurationSpace {
    func storeAddress(_ address: UInt64) {
        store(UInt32(truncatingIfNeeded: address), at: 0)
        store(UInt16(truncatingIfNeeded: address >> 32), at: 4)
    }

    /// VIRTIO_NET_S_LINK_UP.
    func storeLink(isUp: Bool) { store((isUp ? 1 : 0) as UInt16, at: 6) }
}
