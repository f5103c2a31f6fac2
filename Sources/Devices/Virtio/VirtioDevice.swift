package import Virtio

/// A kind of virtio device (virtio 1.2, section 5).
package enum VirtioDeviceType: UInt32, Sendable {
    case network = 1
    case block = 2
    case console = 3
    case entropy = 4
    case balloon = 5
    case socket = 19
    case fileSystem = 26
}

/// What a kind of device adds to virtio's common part. It knows nothing of the transport that its driver sees it by.
///
/// Threads: `activate` and `reset` come from vCPU threads, one at a time and by turns, beginning with `activate`;
/// `queueNotified` comes from the thread that serves the device, at any time, also before, between and after them;
/// `writeConfiguration` comes from vCPU threads, several at once. None is called with a lock of the transport's held,
/// so a device may keep one of its own, and may call its `VirtioNotifier` with it held.
package protocol VirtioDevice: AnyObject, Sendable {
    var type: VirtioDeviceType { get }
    /// What the device offers of its own kind. What concerns rings and transports is not the device's business.
    var features: VirtioFeatures { get }
    /// The largest size of each queue: a power of two up to 32768.
    var maximumQueueSizes: [UInt16] { get }
    /// The device-specific configuration space.
    var configuration: VirtioConfigurationSpace { get }

    /// The driver wrote `width` bytes (1 to 8) of configuration space. Nothing of it is checked.
    func writeConfiguration(offset: UInt64, width: Int, value: UInt64)

    /// The driver is ready. From now on the device serves its queues; if it cannot, it calls the notifier's `fail`.
    func activate(_ activation: VirtioActivation)

    /// The driver resets the device. When the call returns, no request is in flight, and the device touches neither
    /// guest memory nor its notifier before it is activated again: the driver uses the memory for other things.
    func reset()

    /// The driver made requests available in queue `index`, or `VirtioNotifier.serveAgain` was called. Such a call may
    /// be without cause, and is ignored by a device that is not active.
    func queueNotified(_ index: Int)

    /// How far each queue got, for saving; nil while a request is in flight. The machine is paused.
    var queueStates: [VirtqueueState?]? { get }
}

extension VirtioDevice {
    // Most devices have nothing there that a driver may write.
    package func writeConfiguration(offset: UInt64, width: Int, value: UInt64) {}
}
