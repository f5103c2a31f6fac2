import Devices
import HostIO

/// The host's side of a machine's virtio devices. It lasts over the guest's resets; the devices themselves do not.
final class HostDevices: Sendable {
    /// One device, as it is after each power-on.
    struct Item: Sendable {
        /// What messages call it.
        let name: String
        /// Serves it.
        let loop: EventLoop
        let make: @Sendable () -> any VirtioDevice
    }

    let items: [Item]

    /// - Parameter loop: serves the devices that never wait for the host.
    init(_ configuration: VirtualMachineConfiguration, loop: EventLoop) {
        items = configuration.entropyDevices.map { _ in
            Item(name: "entropy device", loop: loop) { VirtioEntropy(source: HostEntropy()) }
        }
    }
}
