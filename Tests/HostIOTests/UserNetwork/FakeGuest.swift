import CLinux
import Glibc
import HostIO
import HostResources
import Synchronization
import TestSupport

/// A user network with a guest of a test's own at the other end of its stream.
final class FakeGuest {
    let network: UserNetwork
    let loop: EventLoop
    private(set) var stream: Descriptor?
    private let reports = Reports()
    private var gateway: [UInt8] = []
    private var nextPort: UInt16 = 40_000

    private final class Reports: Sendable {
        let errors = Mutex<[UserNetworkError]>([])
    }

    var errors: [UserNetworkError] { reports.errors.withLock { $0 } }

    init(_ options: [String] = [], opensEarly: Bool = false) throws {
        // What is sent to a helper that has ended is to fail the test only.
        signal(SIGPIPE, SIG_IGN)
        network = UserNetwork(try UserNetworkSpecification(options: options))
        loop = try EventLoop(name: "test-network")
        if opensEarly { try network.open() }
        try activate()
    }

    /// What a driver's start leads to.
    func activate() throws {
        // The former stream is closed afterwards: at its end the helper would end by itself.
        stream = Descriptor(
            try network.start(loop: loop) { [reports] error in reports.errors.withLock { $0.append(error) } }.release())
    }

    deinit {
        network.stop()
        loop.stop()
    }

    /// Closes the machine's end of the stream.
    func hangUp() { stream = nil }

    func sendBytes(_ bytes: [UInt8]) { stream?.send(bytes) }
    func send(_ frame: [UInt8]) { sendBytes(.big(UInt32(frame.count)) + frame) }

    /// The next frame; nil at the end, or after ten seconds.
    func receive() -> Received? {
        guard let header = stream?.receive(4), header.count == 4 else { return nil }
        let count = Int(header.big32(0))
        guard let frame = stream?.receive(count), frame.count == count else { return nil }
        let received = Received(frame)
        // Whoever asks for the guest gets an answer.
        if case .arpRequest(.guest, let sender, let mac) = received {
            send(
                Frame.ethernet(
                    to: mac, type: 0x806,
                    [0, 1, 8, 0, 6, 4, 0, 2] + Frame.guestMAC + Address.guest.bytes + mac + sender.bytes))
        }
        return received
    }

    /// The first of what comes that `match` makes something of.
    func expect<Value>(_ match: (Received) -> Value?) -> Value? {
        while let received = receive() {
            if let value = match(received) { return value }
        }
        return nil
    }

    /// The hardware address of one on the network.
    func resolve(_ address: Address) -> [UInt8]? {
        send(Frame.arpRequest(for: address))
        return expect { if case .arpReply(address, let mac) = $0 { mac } else { nil } }
    }

    /// Learns where to send packets to.
    func findGateway() -> Bool {
        gateway = resolve(.host) ?? []
        return gateway.count == 6
    }

    func sendUDP(from port: UInt16, to destination: (Address, UInt16), _ payload: [UInt8]) {
        send(Frame.udp(from: (.guest, port), to: destination, gateway: gateway, payload))
    }

    func receiveUDP(at port: UInt16) -> (from: (Address, UInt16), payload: [UInt8])? {
        expect { if case .udp(let source, port, let payload) = $0 { (source, payload) } else { nil } }
    }

    /// RFC 2131: discover or request; the answer's options by their number, and the address.
    func askForAddress(_ type: UInt8, _ options: [UInt8] = []) -> (address: Address, options: [UInt8: [UInt8]])? {
        var message: [UInt8] = [1, 1, 6, 0, 1, 2, 3, 4] + [UInt8](repeating: 0, count: 20) + Frame.guestMAC
        message += [UInt8](repeating: 0, count: 236 - message.count)
        message += [99, 130, 83, 99, 53, 1, type] + options + [255]
        message += [UInt8](repeating: 0, count: max(0, 300 - message.count))
        send(
            Frame.udp(
                from: (.unknown, 68), to: (.broadcast, 67), gateway: [UInt8](repeating: 0xff, count: 6), message))
        guard let answer = receiveUDP(at: 68)?.payload, answer.count > 240 else { return nil }
        var found: [UInt8: [UInt8]] = [:]
        var index = 240
        while index + 1 < answer.count, answer[index] != 255 {
            if answer[index] == 0 {
                index += 1
                continue
            }
            let end = index + 2 + Int(answer[index + 1])
            guard end <= answer.count else { return nil }
            found[answer[index]] = Array(answer[(index + 2)..<end])
            index = end
        }
        return (Address(answer[16..<20]), found)
    }

    @discardableResult func beginConnection(to address: Address, _ port: UInt16) -> Connection {
        nextPort += 1
        let connection = Connection(self, localPort: nextPort, remote: (address, port))
        connection.send(.syn)
        return connection
    }

    /// Opens a TCP connection; nil if it is refused.
    func connect(to address: Address, _ port: UInt16) -> Connection? {
        let connection = beginConnection(to: address, port)
        guard let answer = connection.receive(), answer.flags == [.syn, .ack] else { return nil }
        connection.acknowledge(answer)
        return connection
    }

    /// Waits for somebody to connect to a port.
    func accept(_ port: UInt16) -> Connection? {
        let request = expect { received -> (Segment, Address)? in
            if case .tcp(let segment, let from) = received, segment.destinationPort == port, segment.flags == .syn {
                (segment, from)
            } else {
                nil
            }
        }
        guard let (segment, from) = request else { return nil }
        let connection = Connection(self, localPort: port, remote: (from, segment.sourcePort))
        connection.expected = segment.sequence &+ 1
        connection.send([.syn, .ack])
        return connection
    }

    /// One TCP connection, of a guest that loses nothing and never waits.
    final class Connection {
        private let guest: FakeGuest
        private let localPort: UInt16
        private let remote: (address: Address, port: UInt16)
        private var sequence: UInt32 = 1000
        fileprivate var expected: UInt32 = 0

        init(_ guest: FakeGuest, localPort: UInt16, remote: (Address, UInt16)) {
            (self.guest, self.localPort, self.remote) = (guest, localPort, remote)
        }

        func send(_ flags: Segment.Flags, _ payload: [UInt8] = []) {
            let segment = Segment(
                sourcePort: localPort, destinationPort: remote.port, sequence: sequence, acknowledgement: expected,
                flags: flags, payload: payload)
            guest.send(Frame.tcp(segment, from: .guest, to: remote.address, gateway: guest.gateway))
            sequence &+= UInt32(payload.count) + (flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1)
        }

        func send(_ payload: [UInt8]) { send(.ack, payload) }

        func receive() -> Segment? {
            guest.expect {
                if case .tcp(let segment, self.remote.address) = $0, segment.destinationPort == self.localPort {
                    segment
                } else {
                    nil
                }
            }
        }

        func acknowledge(_ segment: Segment) {
            let length = UInt32(segment.payload.count) + (segment.flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1)
            expected = segment.sequence &+ length
            send(.ack)
        }

        /// What comes, in order, until there are `count` bytes or the other side is done.
        func receive(_ count: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count, let segment = receive() {
                // Something that was sent again.
                guard segment.sequence == expected else {
                    send(.ack)
                    continue
                }
                if segment.payload.isEmpty, !segment.flags.contains(.fin) { continue }
                bytes += segment.payload
                acknowledge(segment)
                if segment.flags.contains(.fin) { break }
            }
            return bytes
        }
    }
}
