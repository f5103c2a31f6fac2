/// ACPI Machine Language: bytes of objects, names and methods (ACPI 6.5, 20.2).
enum AML {
    // MARK: Data objects, 20.2.3

    static func integer(_ value: UInt64) -> [UInt8] {
        switch value {
        case 0: return [0x00]
        case 1: return [0x01]
        case 2...0xff: return [0x0a, UInt8(value)]
        case 0x100...0xffff: return [0x0b] + little(UInt16(value))
        case 0x1_0000...0xffff_ffff: return [0x0c] + little(UInt32(value))
        default: return [0x0e] + little(value)
        }
    }

    /// - Parameter text: ASCII.
    static func string(_ text: String) -> [UInt8] { [0x0d] + Array(text.utf8) + [0] }

    static func buffer(_ bytes: [UInt8]) -> [UInt8] { [0x11] + packaged(integer(UInt64(bytes.count)) + bytes) }

    static func package(_ elements: [[UInt8]]) -> [UInt8] {
        [0x12] + packaged([UInt8(elements.count)] + elements.flatMap { $0 })
    }

    /// A compressed identifier such as "PNP0501": three letters and four hexadecimal digits (19.3.4, EISAID).
    static func eisaID(_ id: String) -> [UInt8] {
        let letters = id.utf8.prefix(3).reduce(0) { $0 << 5 | UInt32($1 - 0x40) }
        guard id.utf8.count == 7, let product = UInt32(id.suffix(4), radix: 16) else {
            preconditionFailure("\(id) is no identifier")
        }
        // The number is stored with its most significant byte first.
        return [0x0c] + little((letters << 16 | product).byteSwapped)
    }

    // MARK: Named objects, 20.2.5

    static func scope(_ name: String, _ terms: [[UInt8]]) -> [UInt8] {
        [0x10] + packaged(path(name) + terms.flatMap { $0 })
    }

    static func device(_ name: String, _ terms: [[UInt8]]) -> [UInt8] {
        [0x5b, 0x82] + packaged(path(name) + terms.flatMap { $0 })
    }

    static func name(_ name: String, _ object: [UInt8]) -> [UInt8] { [0x08] + path(name) + object }

    /// A method that runs once at a time.
    static func method(_ name: String, argumentCount: UInt8, _ terms: [[UInt8]]) -> [UInt8] {
        [0x14] + packaged(path(name) + [argumentCount | 1 << 3] + terms.flatMap { $0 })
    }

    static func notify(_ object: String, _ value: UInt64) -> [UInt8] { [0x86] + path(object) + integer(value) }

    // MARK: Resource descriptors, 6.4

    static func resources(_ descriptors: [[UInt8]]) -> [UInt8] {
        // The end tag's checksum of 0 is for "not checked".
        buffer(descriptors.flatMap { $0 } + [0x79, 0])
    }

    /// Ports (6.4.2.5), decoded by 16 bits.
    static func ports(_ first: UInt16, count: UInt8) -> [UInt8] {
        [0x47, 1] + little(first) + little(first) + [1, count]
    }

    /// Registers in memory (6.4.3.4).
    static func memory(_ address: UInt32, size: UInt32) -> [UInt8] {
        [0x86, 9, 0, 1] + little(address) + little(size)
    }

    /// An interrupt line (6.4.3.6) that the device has alone: edge-triggered, active high.
    static func interrupt(_ gsi: UInt32) -> [UInt8] { [0x89, 6, 0, 0b0011, 1] + little(gsi) }

    // MARK: Parts

    /// A name (20.2.2): up to four characters, with a backslash before it if it begins at the root.
    private static func path(_ name: String) -> [UInt8] {
        let isRooted = name.utf8.first == UInt8(ascii: "\\")
        let segment = Array(name.utf8.dropFirst(isRooted ? 1 : 0))
        precondition((1...4).contains(segment.count))
        let padding = [UInt8](repeating: UInt8(ascii: "_"), count: 4 - segment.count)
        return (isRooted ? [UInt8(ascii: "\\")] : []) + segment + padding
    }

    /// `bytes` behind their length, which counts itself (20.2.4).
    private static func packaged(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.count + 1 < 1 << 6 { return [UInt8(bytes.count + 1)] + bytes }
        for extra in 1...3 {
            let length = bytes.count + 1 + extra
            guard length < 1 << (4 + 8 * extra) else { continue }
            let rest = (0..<extra).map { UInt8(truncatingIfNeeded: length >> (4 + 8 * $0)) }
            return [UInt8(extra << 6 | length & 0xf)] + rest + bytes
        }
        preconditionFailure("\(bytes.count) bytes are too many for an object")
    }

    private static func little<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(field: value)
        return bytes
    }
}
