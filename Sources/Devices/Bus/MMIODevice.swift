/// A device behind memory-mapped registers. vCPU threads call it, several at once.
package protocol MMIODevice: AnyObject, Sendable {
    /// Reads `width` bytes (1 to 8) at `offset` from the device's base address; bits above the width are zero.
    func read(offset: UInt64, width: Int) -> UInt64
    /// Writes the low `width` bytes (1 to 8) of `value` at `offset` from the device's base address.
    func write(offset: UInt64, width: Int, value: UInt64)
}
