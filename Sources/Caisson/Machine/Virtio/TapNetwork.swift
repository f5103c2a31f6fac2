import CLinux
import Devices
import HostIO
import Synchronization
import Virtio

/// A tap interface of the host's as a network device's interface: the header before each frame is the kernel's as well.
final class TapNetwork: NetworkInterface {
    let properties: NetworkProperties
    private let tap: TapInterface
    private let loop: EventLoop
    private let report: @Sendable (String) -> Void
    private let linkChanged = Mutex<(@Sendable () -> Void)?>(nil)
    private let isUpState = Atomic<Bool>(true)

    private static let offloads: [(NetworkOffloads, TapInterface.Offloads)] = [
        (.checksum, .checksum), (.tcp4, .tcp4), (.tcp6, .tcp6), (.congestion, .congestion), (.udp, .udp),
    ]

    init(
        _ tap: TapInterface, address: UInt64, mtu: UInt16, loop: EventLoop, report: @escaping @Sendable (String) -> Void
    ) {
        self.tap = tap
        self.loop = loop
        self.report = report
        var properties = NetworkProperties(address: address)
        properties.mtu = mtu
        properties.pairCount = tap.queueCount
        for (ours, theirs) in Self.offloads where tap.offloads.isSuperset(of: theirs) {
            properties.offloads.insert(ours)
        }
        self.properties = properties
    }

    var isUp: Bool { isUpState.load(ordering: .acquiring) }

    func watchLink(_ changed: @escaping @Sendable () -> Void) { linkChanged.withLock { $0 = changed } }

    func setReceiveOffloads(_ offloads: NetworkOffloads) {
        tap.setOffloads(
            Self.offloads.reduce(into: []) { result, entry in
                if offloads.contains(entry.0) { result.formUnion(entry.1) }
            })
    }

    func setPairCount(_ count: Int) { tap.setQueueCount(count) }

    func makeLane(pair: Int, ready: @escaping @Sendable () -> Void) -> any NetworkLane {
        Lane(tap, queue: pair, loop: loop, ready: ready, ended: { [weak self] in self?.interfaceEnded() })
    }

    private func interfaceEnded() {
        guard isUpState.exchange(false, ordering: .acquiringAndReleasing) else { return }
        report("the tap interface \(tap.name) is gone; the guest sees its link down")
        let changed = linkChanged.withLock { $0 }
        // Not within the device's locks.
        loop.submit { changed?() }
    }

    @safe private final class Lane: NetworkLane {
        private let tap: TapInterface
        private let queue: Int
        private let loop: EventLoop
        private let registration: EventLoop.Registration?
        private var interest: EventLoop.Readiness = []
        private let ended: () -> Void
        private var segments = SegmentArray()
        /// What of a frame goes beyond the guest's buffers. Its first byte tells that there was more.
        private let spill = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)

        init(
            _ tap: TapInterface, queue: Int, loop: EventLoop, ready: @escaping @Sendable () -> Void,
            ended: @escaping () -> Void
        ) {
            self.tap = tap
            self.queue = queue
            self.loop = loop
            self.ended = ended
            registration = try? loop.register(tap.descriptor(of: queue), for: []) { _ in ready() }
        }

        deinit {
            if let registration { loop.remove(registration) }
            // SAFETY: allocated here.
            unsafe spill.deallocate()
        }

        func send(_ header: NetworkHeader, _ frame: GuestBuffers) -> Bool {
            var bytes = header.bytes
            var span = bytes.mutableSpan
            segments.removeAll()
            let isSent = unsafe span.withUnsafeMutableBytes { bytes in
                // SAFETY: the header and the request's buffers last during this call.
                unsafe segments.append(iovec(iov_base: bytes.baseAddress, iov_len: bytes.count))
                segments.append(frame)
                return unsafe tap.send(segments.all, to: queue)
            }
            if !tap.isPresent { end() }
            return isSent
        }

        // Each frame was sent when it was taken: the kernel takes one a call.
        func flush() {}

        // SAFETY: the buffers are the device's during this call, the spill is the lane's.
        func receive(into buffers: [GuestBuffers]) -> Int? {
            segments.set(buffers)
            unsafe segments.append(iovec(iov_base: spill, iov_len: 64))
            let count = unsafe tap.receive(into: segments.all, from: queue)
            if !tap.isPresent { end() }
            return count
        }

        func wait(forFrames: Bool, forRoom: Bool) {
            let new = EventLoop.Readiness(readable: forFrames, writable: forRoom)
            guard new != interest, tap.isPresent, let registration else { return }
            interest = new
            loop.setInterest(new, of: registration)
        }

        private func end() {
            // An interface that is gone is readable for ever.
            if interest != [], let registration { loop.setInterest([], of: registration) }
            interest = []
            ended()
        }
    }
}
