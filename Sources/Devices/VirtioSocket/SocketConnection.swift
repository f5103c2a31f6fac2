/// The ports of a connection: the cids are always the host's and the guest's.
struct SocketPorts: Hashable {
    var host: UInt32
    var guest: UInt32
}

/// What the device has to tell the guest of a connection, beside data: in the order of the bits.
struct SocketNotices: OptionSet {
    let rawValue: UInt8
    static let reset = Self(rawValue: 1)
    static let request = Self(rawValue: 2)
    static let response = Self(rawValue: 4)
    static let shutdown = Self(rawValue: 8)
    static let creditUpdate = Self(rawValue: 16)
    static let creditRequest = Self(rawValue: 32)

    /// The first, as the packet that tells it.
    mutating func popFirst() -> SocketOperation? {
        let first = Self(rawValue: rawValue & (~rawValue &+ 1))
        remove(first)
        return switch first {
        case .reset: .reset
        case .request: .request
        case .response: .response
        case .shutdown: .shutdown
        case .creditUpdate: .creditUpdate
        case .creditRequest: .creditRequest
        default: nil
        }
    }
}

/// One connection between the guest and a stream of the host's: what was told, what is to be told, and who may send how
/// much.
final class SocketConnection {
    enum Phase {
        /// The host asked for it, and the guest has not answered.
        case requested
        case open
        /// It is over, and the guest is to be told by a reset.
        case ended
        /// It is over for the guest; the host's side has not taken all that the guest sent.
        case draining
        /// It is over, and goes when its turn in the line comes.
        case gone
    }

    let ports: SocketPorts
    let stream: any SocketStream
    var phase: Phase
    /// Hears once what became of a connection that the host asked for.
    var answer: (@Sendable (SocketAnswer) -> Void)?
    var notices: SocketNotices = []
    /// It is in the line of those that have something for the guest.
    var isWaiting = false
    /// The host's side may have something to read, as far as is known; otherwise its stream tells.
    var mayHaveData = true
    /// Ticks of the timer until the device stops waiting for the guest.
    var ticksLeft: Int?

    /// What the guest is done with, as it said.
    private(set) var guestEnds: SocketShutdown = []
    /// What the host is done with.
    private(set) var hostEnds: SocketShutdown = []

    // Credit (5.10.6.3), all modulo 2^32.
    /// Bytes of data sent to the guest.
    private(set) var sent: UInt32 = 0
    /// How many of them the guest has taken from its buffer, as far as it said.
    private(set) var guestForwarded: UInt32 = 0
    private(set) var guestBufferSize: UInt32 = 0
    /// Bytes of data received from the guest.
    private(set) var received: UInt32 = 0
    /// What the guest was told last of those that the host took.
    private var toldForwarded: UInt32 = 0
    /// The guest has been asked for credit since it gave some last.
    private var hasAskedForCredit = false

    init(_ ports: SocketPorts, _ stream: any SocketStream, _ phase: Phase) {
        self.ports = ports
        self.stream = stream
        self.phase = phase
    }

    // MARK: What the guest may be sent

    /// Bytes that the guest has room for.
    var credit: UInt32 {
        let inFlight = sent &- guestForwarded
        return inFlight < guestBufferSize ? guestBufferSize - inFlight : 0
    }

    /// Whether data may come from the host's side.
    var isReadable: Bool {
        phase == .open && !hostEnds.contains(.send) && !guestEnds.contains(.receive)
    }

    /// Whether there may be something for the guest now.
    var wantsTurn: Bool { !notices.isEmpty || (mayHaveData && isReadable && credit > 0) }

    /// What a packet of the guest's says of its buffer. A number of bytes taken that lies outside of those in flight is
    /// an older one, of packets that the guest's threads sent in another order, or a lie: both are passed over.
    func updateCredit(_ header: SocketHeader) {
        guestBufferSize = header.bufferSize
        if header.forwarded &- guestForwarded <= sent &- guestForwarded { guestForwarded = header.forwarded }
        if credit > 0 { hasAskedForCredit = false }
    }

    func didSend(_ count: UInt32) { sent &+= count }

    /// There is no credit: the guest is asked, once.
    func askForCredit() {
        guard !hasAskedForCredit else { return }
        hasAskedForCredit = true
        notices.insert(.creditRequest)
    }

    // MARK: What the guest sends

    /// Whether the guest may send `count` bytes now.
    func hasRoom(for count: UInt32) -> Bool {
        UInt64(count) + UInt64(stream.keptByteCount) <= UInt64(VirtioSocket.bufferSize)
    }

    func didReceive(_ count: UInt32) { received &+= count }

    /// Bytes that the host's side took.
    var forwarded: UInt32 { received &- UInt32(truncatingIfNeeded: stream.keptByteCount) }

    /// The guest hears of room when half of the buffer came free since it did last.
    func noteForwarded() {
        if forwarded &- toldForwarded >= VirtioSocket.bufferSize / 2 { notices.insert(.creditUpdate) }
    }

    // MARK: Ends

    /// The guest is done with a direction. What it sent before still goes to the host.
    func guestEnded(_ ends: SocketShutdown) {
        if ends.contains(.send), !guestEnds.contains(.send) { stream.endOutput() }
        if ends.contains(.receive), !guestEnds.contains(.receive) {
            stream.setReading(false)
            stream.endInput()
        }
        guestEnds.formUnion(ends)
    }

    /// The host is done with a direction: the guest is told, once for each.
    func hostEnded(_ ends: SocketShutdown) {
        guard !ends.isSubset(of: hostEnds) else { return }
        hostEnds.formUnion(ends)
        notices.insert(.shutdown)
    }

    /// Gives the answer that the host waits for, if it does.
    func give(_ answer: SocketAnswer) {
        self.answer?(answer)
        self.answer = nil
    }

    // MARK: Packets

    /// A packet of this connection's, with the device's side of the credit.
    func header(_ operation: SocketOperation, guestCID: UInt64) -> SocketHeader {
        var header = SocketHeader(
            from: SocketAddress(cid: VirtioSocket.hostCID, port: ports.host),
            to: SocketAddress(cid: guestCID, port: ports.guest), operation)
        header.bufferSize = VirtioSocket.bufferSize
        header.forwarded = forwarded
        toldForwarded = forwarded
        notices.remove(.creditUpdate)
        return header
    }

    /// The next packet without data; nil where there is none to be sent now.
    func nextNotice(guestCID: UInt64) -> SocketHeader? {
        guard let operation = notices.popFirst() else { return nil }
        var header = header(operation, guestCID: guestCID)
        if operation == .shutdown {
            header.flags = hostEnds.rawValue
            // The guest answers by a reset (5.10.6.5).
            if hostEnds == .both { ticksLeft = VirtioSocket.patience }
        }
        return header
    }
}
