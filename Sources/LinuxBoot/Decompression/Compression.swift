/// How a bzImage's payload is packed, told by its first bytes.
enum Compression: String, CaseIterable {
    case gzip
    case xz
    case lzma
    case lz4
    case zstd
    case bzip2
    case lzo
    /// The ELF file as it is.
    case none = "not compressed"

    /// - Parameter payload: at least its first bytes.
    init?(of payload: [UInt8]) {
        guard let match = Self.allCases.first(where: { payload.has($0.magic) }) else { return nil }
        self = match
    }

    private var magic: [UInt8] {
        switch self {
        case .gzip: [0x1f, 0x8b]
        case .xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
        case .lzma: [0x5d, 0x00, 0x00]
        // The legacy frame, which the kernel's own unpacker reads.
        case .lz4: [0x02, 0x21, 0x4c, 0x18]
        case .zstd: [0x28, 0xb5, 0x2f, 0xfd]
        case .bzip2: Array("BZh".utf8)
        case .lzo: [0x89, 0x4c, 0x5a, 0x4f]
        case .none: ELFHeader.magic
        }
    }

    /// Unpacks `payload` to exactly `size` bytes. Takes at most that much memory, and what the format's decoder needs.
    /// - Throws: `DecompressionError`.
    func unpack(_ payload: [UInt8], size: Int) throws(DecompressionError) -> [UInt8] {
        let output = try unpackAll(payload, limit: size)
        guard output.count == size else { throw .wrongSize(unpacked: output.count, stated: size) }
        return output
    }

    /// Unpacks `payload` to at most `limit` bytes, of which those that are not used take no memory while it goes on.
    /// - Throws: `DecompressionError`.
    func unpackAll(_ payload: [UInt8], limit: Int) throws(DecompressionError) -> [UInt8] {
        switch self {
        case .gzip: try inflateGzip(payload, size: limit)
        case .xz: try decodeXZ(payload, size: limit)
        case .lzma: try decodeLZMA(payload, size: limit)
        case .lz4: try decodeLZ4(payload, size: limit)
        case .zstd: try decodeZstandard(payload, size: limit)
        case .none: Array(payload.prefix(limit))
        case .bzip2, .lzo: throw .unsupported
        }
    }
}

/// Why a payload does not unpack.
enum DecompressionError: Error, Equatable {
    /// There is no decoder for the format here.
    case unsupported
    /// The decoder's own name or number for what it met.
    case corrupt(String)
    /// The data goes on after `size` bytes, or ends before.
    case wrongSize(unpacked: Int, stated: Int)
    case tooLong(stated: Int)
}

extension DecompressionError: CustomStringConvertible {
    var description: String {
        switch self {
        case .unsupported: "the format is not supported"
        case .corrupt(let reason): reason
        case .wrongSize(let unpacked, let stated): "it unpacks to \(unpacked) bytes and says \(stated)"
        case .tooLong(let stated): "it unpacks to more than the \(stated) bytes that it says"
        }
    }
}
