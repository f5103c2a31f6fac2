/// A name in a directory: any bytes but a slash and NUL.
package struct FileName: Hashable, Sendable {
    package let bytes: [UInt8]

    /// Linux's NAME_MAX.
    package static let longest = 255

    package init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    package init(_ text: String) { self.init(text.utf8) }

    package static let current = FileName(".")
    package static let parent = FileName("..")
}

extension FileName: Comparable {
    package static func < (left: FileName, right: FileName) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

extension FileName: CustomStringConvertible {
    package var description: String { String(decoding: bytes, as: UTF8.self).printable }
}

extension FileName {
    /// As system calls take it.
    package var cString: [CChar] { bytes.map { CChar(bitPattern: $0) } + [0] }
}
