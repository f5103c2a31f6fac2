/// The address of a network device: six bytes, the first the lowest of the value.
package struct EthernetAddress: Hashable, Sendable {
    package let rawValue: UInt64

    /// - Parameter rawValue: below 2^48.
    package init(rawValue: UInt64) {
        precondition(rawValue >> 48 == 0)
        self.rawValue = rawValue
    }

    /// Six bytes in hexadecimal with colons or dashes, as in `52:54:00:12:34:56`; otherwise nil.
    package init?(_ text: String) {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" }
        guard parts.count == 6 else { return nil }
        var value: UInt64 = 0
        for (index, part) in parts.enumerated() {
            guard (1...2).contains(part.utf8.count), part.first != "+", let byte = UInt8(part, radix: 16) else {
                return nil
            }
            value |= UInt64(byte) << UInt64(8 * index)
        }
        rawValue = value
    }

    /// Whether it is the address of several.
    package var isMulticast: Bool { rawValue & 1 != 0 }

    /// Whether a device can have it.
    package var isUsable: Bool { !isMulticast && rawValue != 0 }

    /// An address that no maker of devices gives.
    package static func random() -> EthernetAddress {
        EthernetAddress(rawValue: UInt64.random(in: 0..<1 << 48) & ~3 | 2)
    }
}

extension EthernetAddress: CustomStringConvertible {
    package var description: String {
        (0..<6).map { index in
            let byte = rawValue >> UInt64(8 * index) & 0xff
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined(separator: ":")
    }
}
