/// A virtio device that gives the guest random numbers of the host's.
public struct VirtioEntropyDeviceConfiguration: Sendable, Equatable {
    /// A source of random numbers.
    public init() {}
}
