/// A device's way to be called later. When the time has come, the owner calls the device's `timerExpired()`.
///
/// A device calls it while it holds its own lock: an implementation never calls a device from inside.
package protocol DeviceTimer: AnyObject, Sendable {
    /// Asks for one call, at least `nanoseconds` from now, instead of any asked for before; `nil` asks for none.
    func schedule(after nanoseconds: UInt64?)
}
