/// What comes before every frame: `struct virtio_net_hdr` (virtio 1.2, section 5.1.6), without the number of buffers,
/// which only received frames have.
package struct NetworkHeader: Equatable, Sendable {
    /// In guest memory, the number of buffers included.
    package static let byteCount = 12
    /// The largest frame: Ethernet's header with a VLAN tag, and an IP packet.
    package static let longestFrame = 18 + 65535
    /// An Ethernet header.
    static let shortestFrame = 14
    static let bufferCountOffset: UInt64 = 10

    /// The checksum at `checksumStart` + `checksumOffset` is to be completed over all from `checksumStart` on.
    static let needsChecksum: UInt8 = 1

    /// How a frame is to be parted, `gso_type`.
    enum Segmentation {
        static let none: UInt8 = 0
        static let tcp4: UInt8 = 1
        static let tcp6: UInt8 = 4
        static let udp: UInt8 = 5
        /// Added to the types of TCP.
        static let congestion: UInt8 = 0x80
    }

    package var flags: UInt8 = 0
    package var segmentation: UInt8 = 0
    package var headerLength: UInt16 = 0
    package var segmentSize: UInt16 = 0
    package var checksumStart: UInt16 = 0
    package var checksumOffset: UInt16 = 0

    package init() {}

    /// The header as it is before a frame, little-endian.
    package init(bytes: borrowing Span<UInt8>) {
        func half(_ offset: Int) -> UInt16 { UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8 }
        flags = bytes[0]
        segmentation = bytes[1]
        headerLength = half(2)
        segmentSize = half(4)
        checksumStart = half(6)
        checksumOffset = half(8)
    }

    /// The bytes of `init(bytes:)`, with no buffers counted.
    package var bytes: InlineArray<12, UInt8> {
        var bytes = InlineArray<12, UInt8>(repeating: 0)
        bytes[0] = flags
        bytes[1] = segmentation
        for (offset, value) in [(2, headerLength), (4, segmentSize), (6, checksumStart), (8, checksumOffset)] {
            bytes[offset] = UInt8(truncatingIfNeeded: value)
            bytes[offset + 1] = UInt8(truncatingIfNeeded: value >> 8)
        }
        return bytes
    }

    /// The header with what counts of it, if it is right for a frame of `frameSize` bytes that a driver with these
    /// `offloads` sends (5.1.6.2.1); otherwise nil.
    func checked(frameSize: UInt64, _ offloads: NetworkOffloads) -> NetworkHeader? {
        guard (UInt64(Self.shortestFrame)...UInt64(Self.longestFrame)).contains(frameSize) else { return nil }
        var checked = NetworkHeader()
        if flags & Self.needsChecksum != 0 {
            // No sum wraps: three numbers of 16 bits.
            guard offloads.contains(.checksum),
                UInt64(checksumStart) + UInt64(checksumOffset) + 2 <= frameSize
            else { return nil }
            checked.flags = Self.needsChecksum
            checked.checksumStart = checksumStart
            checked.checksumOffset = checksumOffset
        }
        guard segmentation != Segmentation.none else { return checked }
        let needed: NetworkOffloads? =
            switch segmentation {
            case Segmentation.tcp4: .tcp4
            case Segmentation.tcp6: .tcp6
            case Segmentation.tcp4 | Segmentation.congestion: [.tcp4, .congestion]
            case Segmentation.tcp6 | Segmentation.congestion: [.tcp6, .congestion]
            case Segmentation.udp: .udp
            default: nil
            }
        // The parts need checksums of their own.
        guard let needed, offloads.isSuperset(of: needed), checked.flags != 0, segmentSize > 0,
            UInt64(headerLength) <= frameSize
        else { return nil }
        checked.segmentation = segmentation
        checked.segmentSize = segmentSize
        checked.headerLength = headerLength
        return checked
    }
}
