/// Linux's `setup_data` list: each node is the next one's address (8 bytes), a type and a length (4 bytes each), and
/// the data (boot.rst, "setup_data").
struct SetupData {
    /// `SETUP_*` in Linux's asm/setup_data.h.
    enum Kind: UInt32 {
        case deviceTree = 2
        case randomSeed = 9
    }

    private static let headerSize = 16
    /// The list as it lies in `BootLayout.setupData`.
    private(set) var bytes: [UInt8] = []
    private var last: Int?

    /// The first node's address, or 0.
    var start: UInt64 { last == nil ? 0 : BootLayout.setupData.start }

    /// - Throws: `tableTooLarge`.
    mutating func append(_ kind: Kind, _ data: [UInt8], name: String) throws(BootError) {
        guard !data.isEmpty else { return }
        bytes.pad(to: 8)
        let size = bytes.count + Self.headerSize + data.count
        guard size <= BootLayout.setupData.count else {
            throw BootError(
                nil, .tableTooLarge(what: name, size: UInt64(data.count), limit: BootLayout.setupData.count))
        }
        if let last { bytes.set(BootLayout.setupData.start + UInt64(bytes.count), at: last) }
        last = bytes.count
        bytes.append(field: UInt64(0))
        bytes.append(field: kind.rawValue)
        bytes.append(field: UInt32(data.count))
        bytes.append(contentsOf: data)
    }
}
