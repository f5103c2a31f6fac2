package import Virtio

/// What carries out the requests of a guest's file system: a FUSE server, as the device sees it.
package protocol FileSystemHost: AnyObject, Sendable {
    /// Carries out a request, on the thread that serves the device and with its lock held; a slow host has the guest's file system wait.
    /// - Returns: the bytes of the answer; nil for a request that is too short for any.
    func serve(_ request: borrowing VirtqueueRequest) -> UInt32?

    /// The driver is gone: forgets what the guest knew and had open.
    func reset()
}
