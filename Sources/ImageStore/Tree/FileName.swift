/// A name in a directory: any bytes but a slash and NUL.
struct FileName: Hashable, Sendable {
    let bytes: [UInt8]

    /// Linux's NAME_MAX.
    static let longest = 255

    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    init(_ text: String) { self.init(text.utf8) }
}

extension FileName: Comparable {
    static func < (left: FileName, right: FileName) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}

extension FileName: CustomStringConvertible {
    var description: String { String(decoding: bytes, as: UTF8.self).printable }
}
