import Virtio

/// What a driver asks for by the control queue (virtio 1.2, section 5.1.6.5).
enum NetworkCommand: Equatable {
    case setPromiscuous(Bool)
    case setAllMulticast(Bool)
    case setAddress(UInt64)
    case setTables(unicast: ReceiveFilter.Table, multicast: ReceiveFilter.Table)
    case setPairCount(Int)
    case setReceiveOffloads(VirtioFeatures)
    /// To be answered by an error.
    case refused
}

extension NetworkCommand {
    private static let headerSize: UInt64 = 2

    /// - Parameters:
    ///   - features: those agreed on.
    ///   - pairCount: the device's.
    /// - Returns: nil where there is no whole header.
    init?(_ request: borrowing VirtqueueRequest, _ features: VirtioFeatures, pairCount: Int) {
        guard let code = request.load(UInt16.self, at: 0) else { return nil }
        let dataSize = request.readableBytes - Self.headerSize
        func flag() -> Bool? {
            guard dataSize == 1, let value = request.load(UInt8.self, at: Self.headerSize), value < 2 else {
                return nil
            }
            return value == 1
        }

        var command: NetworkCommand?
        // Class in the lower byte, command in the upper.
        switch code {
        case 0x0000 where features.contains(.netControlReceive): command = flag().map { .setPromiscuous($0) }
        case 0x0100 where features.contains(.netControlReceive): command = flag().map { .setAllMulticast($0) }
        case 0x0001 where features.contains(.netControlReceive):
            var offset = Self.headerSize
            if let unicast = Self.table(in: request, at: &offset), let multicast = Self.table(in: request, at: &offset),
                offset == request.readableBytes
            {
                command = .setTables(unicast: unicast, multicast: multicast)
            }
        case 0x0101 where features.contains(.netControlAddress):
            if dataSize == 6, let address = Self.address(in: request, at: Self.headerSize), address & 1 == 0 {
                command = .setAddress(address)
            }
        case 0x0004 where features.contains(.netMultipleQueues):
            if dataSize == 2, let count = request.load(UInt16.self, at: Self.headerSize),
                (1...pairCount).contains(Int(count))
            {
                command = .setPairCount(Int(count))
            }
        case 0x0005 where features.contains(.netControlGuestOffloads):
            if dataSize == 8, let bits = request.load(UInt64.self, at: Self.headerSize) {
                let wanted = VirtioFeatures(rawValue: bits)
                if wanted.isSubset(of: features.intersection(.allReceiveOffloads)) {
                    command = .setReceiveOffloads(wanted)
                }
            }
        default: break
        }
        self = command ?? .refused
    }

    /// Six bytes, the first the lowest.
    private static func address(in request: borrowing VirtqueueRequest, at offset: UInt64) -> UInt64? {
        guard let low = request.load(UInt32.self, at: offset), let high = request.load(UInt16.self, at: offset + 4)
        else { return nil }
        return UInt64(low) | UInt64(high) << 32
    }

    /// A count and as many addresses. What is beyond the limit is not read.
    private static func table(
        in request: borrowing VirtqueueRequest, at offset: inout UInt64
    ) -> ReceiveFilter.Table? {
        guard let count = request.load(UInt32.self, at: offset) else { return nil }
        // No sum wraps: a request has at most 2^32 bytes.
        let end = offset + 4 + 6 * UInt64(count)
        guard end <= request.readableBytes else { return nil }
        defer { offset = end }
        guard count <= ReceiveFilter.tableLimit else { return ReceiveFilter.Table(isFull: true) }
        var table = ReceiveFilter.Table()
        for index in 0..<UInt64(count) {
            guard let address = address(in: request, at: offset + 4 + 6 * index) else { return nil }
            table.addresses.append(address)
        }
        return table
    }
}
