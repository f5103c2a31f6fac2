/// A virtio device that gives the guest random numbers of the host's.
public struct VirtioEntropyDeviceConfiguration: Sendable, Equatable {
    /// A source of random numbers.
    public init() {}
}

/// A memory balloon: the guest's memory can be made smaller and larger while it runs, and what the guest frees goes
/// back to the host.
public struct VirtioTraditionalMemoryBalloonDeviceConfiguration: Sendable, Equatable {
    /// Bytes of memory that the guest is to have from its start on, at most `memorySize`; nil for all of it.
    public var targetVirtualMachineMemorySize: UInt64?

    /// A balloon that is empty to begin with.
    public init() {}
}
