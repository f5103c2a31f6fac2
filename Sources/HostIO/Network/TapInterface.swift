package import CLinux
import HostResources
import Synchronization
import SystemPackage

/// A tap interface of the host's with one or more queues. Frames come and go behind a `struct virtio_net_hdr` of 12
/// bytes, little-endian, so that checksums and segmentation are left to the host's kernel, or to who is behind it.
package final class TapInterface: Sendable {
    /// What the host's kernel can leave to the reader of frames, and does for their writer.
    package struct Offloads: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let checksum = Self(rawValue: UInt32(CAISSON_TAP_CHECKSUM))
        package static let tcp4 = Self(rawValue: UInt32(CAISSON_TAP_TCP4))
        package static let tcp6 = Self(rawValue: UInt32(CAISSON_TAP_TCP6))
        package static let congestion = Self(rawValue: UInt32(CAISSON_TAP_CONGESTION))
        package static let udp = Self(rawValue: UInt32(CAISSON_TAP_UDP4 | CAISSON_TAP_UDP6))
    }

    private static let headerSize: Int32 = 12

    /// The interface's name.
    package let name: String
    package let mtu: Int
    /// All that the host's kernel knows.
    package let offloads: Offloads
    private let queues: [SharedFileDescriptor]
    /// How many queues frames come to.
    private let enabledCount: Mutex<Int>
    private let isGone = Atomic<Bool>(false)

    /// Opens an interface, or makes one, which ends with this object and is switched on.
    ///
    /// - Parameters:
    ///   - name: the interface's; nil for a new one that the kernel names.
    ///   - queueCount: the most queues; an interface made for one has one.
    package init(name: String?, queueCount: Int) throws(NetworkError) {
        let exists = name.map(Self.exists) ?? false
        var attached = Result { () throws(NetworkError) in
            try Self.attach(name ?? "tap%d", exists: exists, hasSeveralQueues: queueCount > 1)
        }
        if queueCount > 1, exists, case .failure(.noTap(_, _, .invalidArgument)) = attached {
            attached = Result { () throws(NetworkError) in
                try Self.attach(name ?? "", exists: exists, hasSeveralQueues: false)
            }
        }
        let (first, own, hasSeveral) = try attached.get()
        var queues = [first]
        while hasSeveral, queues.count < queueCount {
            // A host with a lower limit gives fewer.
            guard let next = try? Self.attach(own, exists: true, hasSeveralQueues: true) else { break }
            queues.append(next.0)
        }
        for queue in queues {
            let result = caisson_tap_set_header(queue.rawValue, Self.headerSize)
            guard result == 0 else {
                throw .refused(HostError("prepare the tap interface", own, Errno(rawValue: -result)))
            }
        }
        self.name = own
        self.queues = queues
        enabledCount = Mutex(queues.count)
        let all: Offloads = [.checksum, .tcp4, .tcp6, .congestion, .udp]
        // Linux knows UDP from 6.2 on.
        offloads = caisson_tap_set_offloads(first.rawValue, all.rawValue) == 0 ? all : all.subtracting(.udp)
        // SAFETY: here and below, a string is passed as a C string for the time of the call.
        if !exists { _ = unsafe caisson_interface_switch_on(own) }
        mtu = Int(unsafe caisson_interface_mtu(own))
        guard (68...65535).contains(mtu) else { throw .wrongMTU(name: own, mtu: mtu) }
        setOffloads([])
    }

    package var queueCount: Int { queues.count }

    private static func exists(_ name: String) -> Bool {
        // SAFETY: a string is passed as a C string for the time of the call.
        unsafe caisson_interface_exists(name) != 0
    }

    private static func attach(
        _ name: String, exists: Bool, hasSeveralQueues: Bool
    ) throws(NetworkError) -> (SharedFileDescriptor, name: String, hasSeveralQueues: Bool) {
        let raw = caisson_open_tun()
        guard raw >= 0 else { throw .noTun(Errno(rawValue: -raw)) }
        let queue = SharedFileDescriptor(OwnedFileDescriptor(owning: raw))
        var bytes = [CChar](repeating: 0, count: 16)
        for (index, byte) in name.utf8.prefix(15).enumerated() { bytes[index] = CChar(bitPattern: byte) }
        // SAFETY: the kernel reads and stores 16 bytes.
        let result = unsafe caisson_tap_attach(raw, &bytes, hasSeveralQueues ? 1 : 0)
        guard result == 0 else {
            throw .noTap(
                name: exists ? name : name == "tap%d" ? "tap0" : name, exists: exists, Errno(rawValue: -result))
        }
        let own = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (queue, own, hasSeveralQueues)
    }

    /// What the reader of frames does itself from now on.
    package func setOffloads(_ offloads: Offloads) {
        // It fails only for what the kernel does not know, and for interfaces that are gone.
        _ = caisson_tap_set_offloads(queues[0].rawValue, offloads.intersection(self.offloads).rawValue)
    }

    /// Frames come to the first `count` queues only.
    package func setQueueCount(_ count: Int) {
        guard queues.count > 1 else { return }
        enabledCount.withLock { enabled in
            for index in min(enabled, count)..<max(enabled, count) {
                _ = caisson_tap_enable_queue(queues[index].rawValue, index < count ? 1 : 0)
            }
            enabled = count
        }
    }

    /// False once the host removed the interface.
    package var isPresent: Bool { !isGone.load(ordering: .acquiring) }

    // MARK: Frames

    /// The descriptor of a queue, to wait at.
    package func descriptor(of queue: Int) -> Int32 { queues[queue].rawValue }

    /// Sends one frame behind its header, without waiting.
    /// - Returns: false where the queue is full.
    package func send(_ segments: UnsafeBufferPointer<iovec>, to queue: Int) -> Bool {
        // SAFETY: handed on.
        let result = unsafe caisson_write_segments(
            queues[queue].rawValue, segments.baseAddress, Int32(segments.count))
        // Others concern the frame, or an interface that is switched off: frames get lost there.
        if result == -Int64(EBADFD) { isGone.store(true, ordering: .releasing) }
        return result != -Int64(EAGAIN)
    }

    /// Receives one frame behind its header, cut to the segments.
    /// - Returns: the bytes stored; nil if there is none.
    package func receive(into segments: UnsafeBufferPointer<iovec>, from queue: Int) -> Int? {
        while true {
            // SAFETY: handed on.
            let result = unsafe caisson_read_segments(
                queues[queue].rawValue, segments.baseAddress, Int32(segments.count))
            if result > 0 { return Int(result) }
            if result == -Int64(EBADFD) { isGone.store(true, ordering: .releasing) }
            if result != -Int64(EINTR) { return nil }
        }
    }
}
