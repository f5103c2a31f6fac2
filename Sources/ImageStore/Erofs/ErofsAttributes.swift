/// Extended attributes behind an inode.
struct ErofsAttributes {
    /// Empty where there are none.
    let bytes: [UInt8]

    private static let headerSize = 12
    private static let unit = 4
    /// Names are stored without the beginnings that Linux gives a number.
    private static let prefixes: [(index: UInt8, text: [UInt8])] = [
        (1, Array("user.".utf8)), (2, Array("system.posix_acl_access".utf8)),
        (3, Array("system.posix_acl_default".utf8)), (4, Array("trusted.".utf8)), (6, Array("security.".utf8)),
    ]

    /// Leaves out what is in no name space of Linux's.
    /// - Returns: nil if there is more than an inode can have.
    init?(_ attributes: [ExtendedAttribute]) {
        var writer = ByteWriter()
        writer.pad(to: Self.headerSize)
        for attribute in attributes {
            guard let prefix = Self.prefixes.first(where: { attribute.name.starts(with: $0.text) }) else { continue }
            let name = attribute.name.dropFirst(prefix.text.count)
            guard let nameCount = UInt8(exactly: name.count), let valueCount = UInt16(exactly: attribute.value.count)
            else { return nil }
            writer.append(nameCount)
            writer.append(prefix.index)
            writer.append(valueCount)
            writer.append(name)
            writer.append(attribute.value)
            writer.pad(to: (writer.bytes.count + Self.unit - 1) / Self.unit * Self.unit)
        }
        bytes = writer.bytes.count > Self.headerSize ? writer.bytes : []
        guard bytes.count <= Self.headerSize + Self.unit * (Int(UInt16.max) - 1) else { return nil }
    }

    /// What the inode says of their size.
    var count: UInt16 { bytes.isEmpty ? 0 : UInt16((bytes.count - Self.headerSize) / Self.unit + 1) }
}
