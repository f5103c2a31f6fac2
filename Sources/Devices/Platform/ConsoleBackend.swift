/// A guest's end of a console: a serial port, or a console device's port.
package protocol ConsolePort: AnyObject, Sendable {
    /// Takes from the front of `bytes` what the guest has room for, and returns how many that were.
    ///
    /// When that is fewer than all of them, the backend hears `receiveReady()` once the guest takes more.
    func receive(_ bytes: Span<UInt8>) -> Int
    /// The backend has room again.
    func transmitReady()
}

/// The host's end of a console. Calls of one kind never overlap.
package protocol ConsoleBackend: AnyObject, Sendable {
    /// Takes from the front of `bytes` what there is room for, in order, at once, and returns how many that were. It may be
    /// called with a lock of the port's held, so it does not call the port.
    ///
    /// When that is fewer than all of them, the transmitter stays busy until `ConsolePort.transmitReady()` is called.
    func transmit(_ bytes: Span<UInt8>) -> Int
    /// After `ConsolePort.receive` has left bytes behind: the guest takes bytes again. No lock is held, and the port may be
    /// called from inside.
    func receiveReady()
}
