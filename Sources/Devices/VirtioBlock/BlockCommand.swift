import Virtio

/// What a request asks a block device for (virtio 1.2, section 5.2.6), checked against the device.
enum BlockCommand: Equatable {
    case read(offset: UInt64)
    case write(offset: UInt64)
    case flush
    case identify
    case discard(offset: UInt64, byteCount: UInt64)
    case writeZeroes(offset: UInt64, byteCount: UInt64, mayDiscard: Bool)
    /// Nothing to do.
    case nothing
    /// To be refused, with this status.
    case refused(BlockStatus)
}

/// The byte that ends a request.
enum BlockStatus: UInt8 {
    case success = 0
    case failure = 1
    case unsupported = 2
}

/// The header of a request: type, a reserved word, sector.
private enum Header {
    static let byteCount: UInt64 = 16
    static let read: UInt32 = 0
    static let write: UInt32 = 1
    static let flush: UInt32 = 4
    static let identify: UInt32 = 8
    static let discard: UInt32 = 11
    static let writeZeroes: UInt32 = 13
}

extension BlockProperties {
    /// Sectors are always of 512 bytes (5.2.6).
    static let sectorSize: UInt64 = 512
    /// The most bytes of one discarding.
    static let discardLimit: UInt64 = 2 << 30
    /// The most bytes of one writing of zeroes, which the host may have to write one by one.
    static let writeZeroesLimit: UInt64 = 64 << 20

    /// Whether the range is one of whole blocks that the device has.
    func has(_ offset: UInt64, _ count: UInt64) -> Bool {
        let mask = UInt64(blockSize) - 1
        return offset & mask == 0 && count & mask == 0 && offset <= byteCount && count <= byteCount - offset
    }
}

extension BlockCommand {
    /// Takes the header off a request whose status is set apart. What is left is data.
    /// - Parameter features: those agreed on.
    /// - Returns: nil where there is no whole header.
    init?(_ request: inout VirtqueueRequest, _ properties: BlockProperties, _ features: VirtioFeatures) {
        guard let type = request.load(UInt32.self, at: 0), let sector = request.load(UInt64.self, at: 8) else {
            return nil
        }
        request.dropReadable(Header.byteCount)
        let (offset, isBeyond) = sector.multipliedReportingOverflow(by: BlockProperties.sectorSize)

        func transfer(_ count: UInt64, _ command: BlockCommand) -> BlockCommand {
            guard !isBeyond, properties.has(offset, count) else { return .refused(.failure) }
            return count == 0 ? .nothing : command
        }
        switch type {
        case Header.read: self = transfer(request.writableBytes, .read(offset: offset))
        case Header.write where properties.isReadOnly: self = .refused(.failure)
        case Header.write: self = transfer(request.readableBytes, .write(offset: offset))
        case Header.flush: self = .flush
        case Header.identify: self = .identify
        case Header.discard where features.contains(.blockDiscard):
            self = BlockCommand(range: request, properties, limit: BlockProperties.discardLimit) {
                offset, count, flags in
                flags == 0 ? .discard(offset: offset, byteCount: count) : .refused(.unsupported)
            }
        case Header.writeZeroes where features.contains(.blockWriteZeroes):
            self = BlockCommand(range: request, properties, limit: BlockProperties.writeZeroesLimit) {
                offset, count, flags in
                // Only the bit "unmap" is known.
                guard flags & ~1 == 0 else { return .refused(.unsupported) }
                return .writeZeroes(offset: offset, byteCount: count, mayDiscard: flags == 1)
            }
        default: self = .refused(.unsupported)
        }
    }

    /// The one segment that a request to discard or to write zeroes has: sector, sectors, flags.
    private init(
        range request: borrowing VirtqueueRequest, _ properties: BlockProperties, limit: UInt64,
        _ command: (UInt64, UInt64, UInt32) -> BlockCommand
    ) {
        // The configuration space says that there is one segment at most.
        guard request.readableBytes == 16, let sector = request.load(UInt64.self, at: 0),
            let sectorCount = request.load(UInt32.self, at: 8), let flags = request.load(UInt32.self, at: 12),
            !properties.isReadOnly
        else {
            self = .refused(.failure)
            return
        }
        let (offset, isBeyond) = sector.multipliedReportingOverflow(by: BlockProperties.sectorSize)
        let count = UInt64(sectorCount) * BlockProperties.sectorSize
        let result = command(offset, count, flags)
        if case .refused = result {
            self = result
        } else if isBeyond || count > limit || !properties.has(offset, count) {
            self = .refused(.failure)
        } else {
            self = count == 0 ? .nothing : result
        }
    }
}

extension BlockCommand {
    /// The bytes that a limit counts; nil for what is free, since the storage has nothing to do. Discarding moves none.
    func cost(of request: borrowing VirtqueueRequest) -> UInt64? {
        switch self {
        case .read: request.writableBytes
        case .write: request.readableBytes
        case .writeZeroes(_, let byteCount, _): byteCount
        case .flush, .discard: 0
        case .identify, .nothing, .refused: nil
        }
    }
}
