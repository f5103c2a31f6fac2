/// Packets as a guest of a user network sends and understands them.
struct Address: Equatable {
    var bytes: [UInt8]
    init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) { bytes = [a, b, c, d] }
    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    static let guest = Self(10, 0, 2, 15)
    static let host = Self(10, 0, 2, 2)
    static let nameServer = Self(10, 0, 2, 3)
    static let broadcast = Self(255, 255, 255, 255)
    static let unknown = Self(0, 0, 0, 0)
}

extension Array<UInt8> {
    func big16(_ index: Int) -> UInt16 { UInt16(self[index]) << 8 | UInt16(self[index + 1]) }
    func big32(_ index: Int) -> UInt32 { UInt32(big16(index)) << 16 | UInt32(big16(index + 2)) }
    static func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
    static func big(_ value: UInt32) -> [UInt8] { big(UInt16(value >> 16)) + big(UInt16(value & 0xffff)) }

    /// RFC 1071.
    var internetChecksum: UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: count, by: 2) {
            sum += UInt32(self[index]) << 8 | (index + 1 < count ? UInt32(self[index + 1]) : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }
}

enum Frame {
    static let guestMAC: [UInt8] = [0x52, 0x54, 0, 1, 2, 3]

    static func ethernet(to destination: [UInt8], type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        destination + guestMAC + .big(type) + payload
    }

    /// RFC 826.
    static func arpRequest(for target: Address, from sender: Address = .guest) -> [UInt8] {
        ethernet(
            to: [UInt8](repeating: 0xff, count: 6), type: 0x806,
            [0, 1, 8, 0, 6, 4, 0, 1] + guestMAC + sender.bytes + [0, 0, 0, 0, 0, 0] + target.bytes)
    }

    static func ipv4(
        _ protocolNumber: UInt8, from source: Address, to destination: Address, gateway: [UInt8], _ payload: [UInt8]
    ) -> [UInt8] {
        var header: [UInt8] = [0x45, 0] + .big(UInt16(20 + payload.count)) + [0, 0, 0, 0, 64, protocolNumber, 0, 0]
        header += source.bytes + destination.bytes
        header.replaceSubrange(10..<12, with: [UInt8].big(header.internetChecksum))
        return ethernet(to: gateway, type: 0x800, header + payload)
    }

    static func pseudoHeader(_ number: UInt8, _ source: Address, _ destination: Address, _ count: Int) -> [UInt8] {
        source.bytes + destination.bytes + [0, number] + .big(UInt16(count))
    }

    static func udp(
        from source: (Address, UInt16), to destination: (Address, UInt16), gateway: [UInt8], _ payload: [UInt8]
    ) -> [UInt8] {
        var packet: [UInt8] = .big(source.1) + .big(destination.1) + .big(UInt16(8 + payload.count)) + [0, 0] + payload
        let sum = (pseudoHeader(17, source.0, destination.0, packet.count) + packet).internetChecksum
        packet.replaceSubrange(6..<8, with: [UInt8].big(sum == 0 ? 0xffff : sum))
        return ipv4(17, from: source.0, to: destination.0, gateway: gateway, packet)
    }

    static func tcp(_ segment: Segment, from source: Address, to destination: Address, gateway: [UInt8]) -> [UInt8] {
        var packet: [UInt8] = .big(segment.sourcePort) + .big(segment.destinationPort)
        packet += .big(segment.sequence) + .big(segment.acknowledgement)
        packet += [0x50, segment.flags.rawValue] + .big(segment.window) + [0, 0, 0, 0] + segment.payload
        let sum = (pseudoHeader(6, source, destination, packet.count) + packet).internetChecksum
        packet.replaceSubrange(16..<18, with: [UInt8].big(sum))
        return ipv4(6, from: source, to: destination, gateway: gateway, packet)
    }
}

/// A TCP segment without options.
struct Segment {
    struct Flags: OptionSet {
        let rawValue: UInt8
        static let fin = Self(rawValue: 1)
        static let syn = Self(rawValue: 2)
        static let reset = Self(rawValue: 4)
        static let ack = Self(rawValue: 16)
    }

    var sourcePort: UInt16
    var destinationPort: UInt16
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: Flags
    var window: UInt16 = 32_768
    var payload: [UInt8] = []
}

/// What a frame from the network says, its checksums right.
enum Received {
    case arpReply(Address, mac: [UInt8])
    case arpRequest(Address, from: Address, mac: [UInt8])
    case udp(from: (Address, UInt16), port: UInt16, [UInt8])
    case tcp(Segment, from: Address)
    case other

    init(_ frame: [UInt8]) {
        self = .other
        guard frame.count >= 34 else { return }
        let mac = Array(frame[6..<12])
        switch frame.big16(12) {
        case 0x806:
            let (sender, target) = (Address(frame[28..<32]), Address(frame[38..<42]))
            self = frame[21] == 2 ? .arpReply(sender, mac: mac) : .arpRequest(target, from: sender, mac: mac)
        case 0x800:
            let header = Array(frame[14..<34])
            guard header[0] == 0x45, header.internetChecksum == 0 else { return }
            let packet = Array(frame[34..<(14 + Int(header.big16(2)))])
            let (source, destination) = (Address(header[12..<16]), Address(header[16..<20]))
            let pseudo = Frame.pseudoHeader(header[9], source, destination, packet.count)
            switch header[9] {
            case 17:
                guard packet.big16(6) == 0 || (pseudo + packet).internetChecksum == 0 else { return }
                self = .udp(from: (source, packet.big16(0)), port: packet.big16(2), Array(packet[8...]))
            case 6:
                guard (pseudo + packet).internetChecksum == 0 else { return }
                let segment = Segment(
                    sourcePort: packet.big16(0), destinationPort: packet.big16(2), sequence: packet.big32(4),
                    acknowledgement: packet.big32(8), flags: Segment.Flags(rawValue: packet[13]),
                    payload: Array(packet[(Int(packet[12] >> 4) * 4)...]))
                self = .tcp(segment, from: source)
            default: return
            }
        default: return
        }
    }
}
