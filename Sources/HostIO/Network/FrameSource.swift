import HostResources

/// Where a machine's end of a stream of frames comes from, one connection after the other.
package protocol FrameSource: AnyObject, Sendable {
    /// What messages call it.
    var name: String { get }
    /// Calls `connected` with a connected stream socket on the loop, now or later; again after each `connectionEnded`.
    func start(on loop: EventLoop, connected: @escaping @Sendable (SharedFileDescriptor) -> Void)
    /// The last connection is no more. On the loop.
    func connectionEnded()
    /// Nothing is left behind.
    func stop()
}
