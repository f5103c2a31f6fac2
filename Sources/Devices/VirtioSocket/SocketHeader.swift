import Virtio

/// Both ends of a connection, as a packet names them.
struct SocketAddress: Equatable {
    var cid: UInt64
    var port: UInt32
}

/// What a packet is for (virtio 1.2, 5.10.6).
enum SocketOperation: UInt16 {
    case request = 1
    case response = 2
    case reset = 3
    case shutdown = 4
    case data = 5
    case creditUpdate = 6
    case creditRequest = 7
}

/// Which directions of a connection its end has done with (5.10.6.5).
struct SocketShutdown: OptionSet {
    let rawValue: UInt32
    /// VIRTIO_VSOCK_SHUTDOWN_F_RECEIVE: the sender of the packet receives no more.
    static let receive = Self(rawValue: 1)
    /// VIRTIO_VSOCK_SHUTDOWN_F_SEND: the sender of the packet sends no more.
    static let send = Self(rawValue: 2)
    static let both: Self = [.receive, .send]
}

/// `struct virtio_vsock_hdr`, in front of each packet: a private copy.
struct SocketHeader: Equatable {
    static let byteCount: UInt64 = 44
    /// VIRTIO_VSOCK_TYPE_STREAM.
    static let streamType: UInt16 = 1

    var source: SocketAddress
    var destination: SocketAddress
    /// Bytes of data behind the header.
    var length: UInt32 = 0
    var type = streamType
    var operation: UInt16
    var flags: UInt32 = 0
    /// buf_alloc: how many bytes the sender of the packet buffers for this connection.
    var bufferSize: UInt32 = 0
    /// fwd_cnt: how many bytes of data the sender of the packet has taken from there, modulo 2^32.
    var forwarded: UInt32 = 0

    init(from source: SocketAddress, to destination: SocketAddress, _ operation: SocketOperation) {
        self.source = source
        self.destination = destination
        self.operation = operation.rawValue
    }

    /// What a request begins with; nil where that is no whole header.
    init?(_ request: borrowing VirtqueueRequest) {
        // The last field first: the others are there where it is.
        guard let forwarded = request.load(UInt32.self, at: 40),
            let sourceCID = request.load(UInt64.self, at: 0), let destinationCID = request.load(UInt64.self, at: 8),
            let sourcePort = request.load(UInt32.self, at: 16),
            let destinationPort = request.load(UInt32.self, at: 20),
            let length = request.load(UInt32.self, at: 24), let type = request.load(UInt16.self, at: 28),
            let operation = request.load(UInt16.self, at: 30), let flags = request.load(UInt32.self, at: 32),
            let bufferSize = request.load(UInt32.self, at: 36)
        else { return nil }
        source = SocketAddress(cid: sourceCID, port: sourcePort)
        destination = SocketAddress(cid: destinationCID, port: destinationPort)
        self.length = length
        self.type = type
        self.operation = operation
        self.flags = flags
        self.bufferSize = bufferSize
        self.forwarded = forwarded
    }

    /// Writes the header to the start of a request, which has room for it.
    func store(in request: borrowing VirtqueueRequest) {
        var bytes = InlineArray<44, UInt8>(repeating: 0)
        func put(_ value: some FixedWidthInteger & UnsignedInteger, at offset: Int, _ width: Int) {
            for index in 0..<width { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
        }
        put(source.cid, at: 0, 8)
        put(destination.cid, at: 8, 8)
        put(source.port, at: 16, 4)
        put(destination.port, at: 20, 4)
        put(length, at: 24, 4)
        put(type, at: 28, 2)
        put(operation, at: 30, 2)
        put(flags, at: 32, 4)
        put(bufferSize, at: 36, 4)
        put(forwarded, at: 40, 4)
        _ = request.write(bytes.span, at: 0)
    }
}
