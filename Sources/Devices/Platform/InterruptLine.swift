/// A device's way to raise its interrupt.
///
/// A device calls it while it holds its own lock, so that levels arrive in the order in which they came about. An
/// implementation is therefore short (one system call) and never calls a device.
package protocol InterruptLine: AnyObject, Sendable {
    /// The line went high (`true`) or low. Called on changes only; the line starts low.
    func set(_ level: Bool)
}
