import Synchronization
package import Virtio

/// The network device (virtio 1.2, section 5.1) over any interface, with one or more pairs of queues and a control queue.
///
/// Frames go between the guest's buffers and the interface without a copy here. Each call serves a bounded number, and
/// asks to be called again. A driver that leaves no buffers for frames loses frames; when it leaves some again they come.
/// Each direction may have limits, over all pairs.
package final class VirtioNet: VirtioDevice {
    /// Entries of the queues of frames.
    package static let queueSize: UInt16 = 256
    private static let controlQueueSize: UInt16 = 16

    package let type = VirtioDeviceType.network
    package let features: VirtioFeatures
    package let maximumQueueSizes: [UInt16]
    package let configuration: VirtioConfigurationSpace

    private let interface: any NetworkInterface
    private let sendLimiter: RateLimiter?
    private let receiveLimiter: RateLimiter?
    private let pairs: [Pair]
    private let control = Mutex<ControlQueue?>(nil)
    let settings: Mutex<Settings>

    /// What a driver asked for by commands.
    struct Settings: Codable, Equatable, Sendable {
        var filter: ReceiveFilter
        var receiveOffloads: NetworkOffloads = []
        /// Pairs of queues in use.
        var pairCount = 1
    }

    // Each pair has a lock of its own, which is held while it is served. With it held, `settings` may be locked.
    private final class Pair: Sendable {
        let queues = Mutex<QueuePair?>(nil)
    }

    /// - Parameters:
    ///   - interface: nobody else's while the device lives.
    ///   - sendLimiter: of the frames that the guest sends; nobody else's.
    ///   - receiveLimiter: of those that it gets; nobody else's.
    package init(
        interface: any NetworkInterface, sendLimiter: RateLimiter? = nil, receiveLimiter: RateLimiter? = nil
    ) {
        let properties = interface.properties
        precondition((1...8).contains(properties.pairCount) && properties.mtu >= 68)
        precondition(properties.address & 1 == 0 && properties.address >> 48 == 0)
        self.interface = interface
        self.sendLimiter = sendLimiter
        self.receiveLimiter = receiveLimiter
        features = properties.features
        maximumQueueSizes =
            [UInt16](repeating: Self.queueSize, count: 2 * properties.pairCount) + [Self.controlQueueSize]
        configuration = properties.configuration(isUp: interface.isUp)
        pairs = (0..<properties.pairCount).map { _ in Pair() }
        settings = Mutex(Settings(filter: ReceiveFilter(address: properties.address)))
        interface.watchLink { [weak self] in self?.linkChanged() }
    }

    package func activate(_ activation: VirtioActivation) {
        let features = activation.features
        let settings = settings.withLock { settings in
            settings.filter.isActive = features.contains(.netControlReceive)
            settings.receiveOffloads = features.receiveOffloads
            return settings
        }
        interface.setReceiveOffloads(settings.receiveOffloads)
        interface.setPairCount(settings.pairCount)
        for limiter in [sendLimiter, receiveLimiter] {
            limiter?.start { [weak self] index in self?.turnCame(queue: index) }
        }
        let hasPairs = features.contains(.netMultipleQueues)
        for (index, pair) in pairs.enumerated() where index == 0 || hasPairs {
            pair.queues.withLock { queues in
                guard let receive = activation.makeQueue(2 * index), let transmit = activation.makeQueue(2 * index + 1)
                else { return }
                let lane = interface.makeLane(pair: index) { [weak self] in self?.serve(pair: index) }
                queues = QueuePair(
                    receive: ReceiveQueue(
                        receive, index: 2 * index, notifier: activation.notifier, features: features,
                        limiter: receiveLimiter),
                    transmit: TransmitQueue(
                        transmit, index: 2 * index + 1, notifier: activation.notifier, offloads: features.sendOffloads,
                        limiter: sendLimiter),
                    lane: lane)
            }
        }
        // Without several pairs the control queue follows the one (5.1.2).
        let index = hasPairs ? 2 * pairs.count : 2
        control.withLock { control in
            guard features.contains(.netControlQueue), let queue = activation.makeQueue(index) else { return }
            control = ControlQueue(queue, index: index, notifier: activation.notifier, features: features)
        }
        linkNotifier.withLock { $0 = activation.notifier }
        linkChanged()
    }

    package func reset() {
        sendLimiter?.stop()
        receiveLimiter?.stop()
        linkNotifier.withLock { $0 = nil }
        control.withLock { $0 = nil }
        for pair in pairs { pair.queues.withLock { $0 = nil } }
        settings.withLock { $0 = Settings(filter: ReceiveFilter(address: interface.properties.address)) }
        configuration.storeAddress(interface.properties.address)
    }

    package func queueNotified(_ index: Int) {
        if control.withLock({ $0?.index }) == index {
            control.withLock { $0?.serve(pairCount: pairs.count) { perform($0) } }
        } else if index < 2 * pairs.count {
            pairs[index / 2].queues.withLock { $0?.serve(settings, isReceive: index % 2 == 0) }
        }
    }

    private func serve(pair index: Int) { pairs[index].queues.withLock { $0?.serve(settings) } }

    private func turnCame(queue index: Int) {
        pairs[index / 2].queues.withLock { $0?.turnCame(settings, isReceive: index % 2 == 0) }
    }

    // MARK: The link

    private let linkNotifier = Mutex<VirtioNotifier?>(nil)

    private func linkChanged() {
        linkNotifier.withLock { notifier in
            let isUp = interface.isUp
            guard configuration.read(offset: 6, width: 2) != (isUp ? 1 : 0) else { return }
            configuration.storeLink(isUp: isUp)
            notifier?.configurationChanged()
        }
    }

    // MARK: Commands

    /// - Returns: whether the device does so.
    private func perform(_ command: NetworkCommand) -> Bool {
        switch command {
        case .setPromiscuous(let value): settings.withLock { $0.filter.isPromiscuous = value }
        case .setAllMulticast(let value): settings.withLock { $0.filter.takesAllMulticast = value }
        case .setAddress(let address):
            settings.withLock { $0.filter.address = address }
            configuration.storeAddress(address)
        case .setTables(let unicast, let multicast):
            settings.withLock { settings in
                settings.filter.unicast = unicast
                settings.filter.multicast = multicast
            }
        case .setPairCount(let count):
            settings.withLock { $0.pairCount = count }
            interface.setPairCount(count)
        case .setReceiveOffloads(let wanted):
            let offloads = wanted.receiveOffloads
            settings.withLock { $0.receiveOffloads = offloads }
            interface.setReceiveOffloads(offloads)
        case .refused: return false
        }
        return true
    }

    // MARK: Saving

    package var queueStates: [VirtqueueState?]? {
        var states = [VirtqueueState?](repeating: nil, count: maximumQueueSizes.count)
        for (index, pair) in pairs.enumerated() {
            let isSaved = pair.queues.withLock { queues in
                guard queues != nil else { return true }
                guard let (receive, transmit) = queues?.putBackAndSave() else { return false }
                (states[2 * index], states[2 * index + 1]) = (receive, transmit)
                return true
            }
            guard isSaved else { return nil }
        }
        let isSaved = control.withLock { control in
            guard let index = control?.index else { return true }
            states[index] = control?.state
            return states[index] != nil
        }
        return isSaved ? states : nil
    }
}
