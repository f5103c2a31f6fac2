/// A device behind I/O ports. vCPU threads call it, several at once.
package protocol PortDevice: AnyObject, Sendable {
    /// Reads `width` bytes (1, 2 or 4) at `offset` from the device's base port; bits above the width are zero.
    func read(offset: UInt16, width: Int) -> UInt32
    /// Writes the low `width` bytes (1, 2 or 4) of `value` at `offset` from the device's base port.
    func write(offset: UInt16, width: Int, value: UInt32)
}

/// A device whose registers are single bytes. As on an ISA bus, a wider access is one byte access a port, lowest first.
package protocol BytePortDevice: PortDevice {
    func read(offset: UInt16) -> UInt8
    func write(offset: UInt16, value: UInt8)
}

extension BytePortDevice {
    package func read(offset: UInt16, width: Int) -> UInt32 {
        if width == 1 { return UInt32(read(offset: offset)) }
        var value: UInt32 = 0
        for index in 0..<width {
            value |= UInt32(read(offset: offset &+ UInt16(truncatingIfNeeded: index))) << (8 * index)
        }
        return value
    }

    package func write(offset: UInt16, width: Int, value: UInt32) {
        if width == 1 { return write(offset: offset, value: UInt8(truncatingIfNeeded: value)) }
        for index in 0..<width {
            write(
                offset: offset &+ UInt16(truncatingIfNeeded: index),
                value: UInt8(truncatingIfNeeded: value >> (8 * index)))
        }
    }
}
