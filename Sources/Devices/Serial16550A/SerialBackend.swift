/// The host's side of a serial port.
///
/// The port calls it with no lock held, so it may call the port from inside; calls of one kind never overlap.
package protocol SerialBackend: AnyObject, Sendable {
    /// Takes from the front of `bytes` what there is room for, in order, at once, and returns how many that were.
    ///
    /// When that is fewer than all of them, the transmitter stays busy until `Serial16550A.transmitReady()` is called.
    func transmit(_ bytes: Span<UInt8>) -> Int
    /// After `Serial16550A.receive` has left bytes behind: the guest takes bytes again.
    func receiveReady()
}
