/// What a machine did since it started, over all resets of its guest.
///
/// Numbers of a second are the difference of two: `later.since(earlier)`.
public struct VirtualMachineStatistics: Equatable, Sendable {
    /// One virtual processor.
    public struct Processor: Equatable, Sendable {
        /// What its thread used of the host's processors: the guest, what KVM emulates for it, accesses to devices.
        public var cpuTime = Duration.zero
        /// Exits for an access to a port.
        public var portAccesses: UInt64 = 0
        /// Exits for an access to memory that is a device's.
        public var memoryAccesses: UInt64 = 0
        /// Times that Caisson took it out of the guest: to pause it, to hold it, to look at it.
        public var interruptions: UInt64 = 0
        /// Exits for what the host's KVM leaves undone, without hardware virtualization.
        public var repairs: UInt64 = 0
        /// What the host's kernel counts; nil where it does not, and until soon after the first look.
        public var kernel: Kernel?

        /// A processor that did nothing.
        public init() {}
    }

    /// What KVM counts of a processor.
    public struct Kernel: Equatable, Sendable {
        /// All exits of the guest, also those that the kernel deals with by itself.
        public var exits: UInt64 = 0
        /// Times that the processor had nothing to do.
        public var halts: UInt64 = 0
        /// Halts that ended because of an interrupt.
        public var wakeUps: UInt64 = 0
        /// Interrupts given to the guest.
        public var interrupts: UInt64 = 0
        /// Instructions that the kernel emulated.
        public var emulations: UInt64 = 0

        /// A processor that did nothing.
        public init() {}
    }

    /// One queue of a virtio device.
    public struct Queue: Equatable, Sendable {
        /// The driver's notifications, as far as the device saw them: several may be one.
        public var notifications: UInt64 = 0
        /// Requests completed.
        public var requests: UInt64 = 0
        /// Bytes that went through the requests' buffers. Headers that the device takes off first do not count.
        public var bytes: UInt64 = 0
        /// Times the driver was interrupted.
        public var interrupts: UInt64 = 0

        /// A queue that nothing went through.
        public init() {}
    }

    /// One virtio device.
    public struct Device: Equatable, Sendable {
        /// What messages call it.
        public var name: String
        /// None before the guest's machine was built.
        public var queues: [Queue]
    }

    /// What is held of the host's memory.
    public struct Memory: Equatable, Sendable {
        /// Bytes of RAM that the guest sees.
        public var size: UInt64
        /// Bytes of it that are in the host's memory.
        public var resident: UInt64
        /// The same, with what several processes share divided by their number.
        public var proportional: UInt64
        /// Bytes of the process beside it, shared ones divided.
        public var proportionalBeside: UInt64
    }

    /// Since the machine started.
    public var uptime: Duration
    /// In order.
    public var processors: [Processor]
    /// In the order in which the guest finds them.
    public var devices: [Device]
    /// Nil for a machine that is stopped, and where /proc does not tell.
    public var memory: Memory?
    /// CPU time of the whole process since it started, the processors' included.
    public var processCPUTime: Duration
}

extension VirtualMachineStatistics {
    /// What was done between two looks at the same machine. Memory is as it was at the later one.
    public func since(_ earlier: VirtualMachineStatistics) -> VirtualMachineStatistics {
        var result = self
        result.uptime -= earlier.uptime
        result.processCPUTime -= earlier.processCPUTime
        for (index, old) in earlier.processors.enumerated() where index < processors.count {
            result.processors[index] = processors[index].since(old)
        }
        for (index, old) in earlier.devices.enumerated() where index < devices.count {
            for (number, queue) in old.queues.enumerated() where number < devices[index].queues.count {
                result.devices[index].queues[number] = devices[index].queues[number].since(queue)
            }
        }
        return result
    }
}

extension VirtualMachineStatistics.Processor {
    fileprivate func since(_ earlier: Self) -> Self {
        var result = self
        result.cpuTime -= earlier.cpuTime
        result.portAccesses &-= earlier.portAccesses
        result.memoryAccesses &-= earlier.memoryAccesses
        result.interruptions &-= earlier.interruptions
        result.repairs &-= earlier.repairs
        guard let now = kernel, let old = earlier.kernel else {
            result.kernel = nil
            return result
        }
        var kernel = now
        kernel.exits &-= old.exits
        kernel.halts &-= old.halts
        kernel.wakeUps &-= old.wakeUps
        kernel.interrupts &-= old.interrupts
        kernel.emulations &-= old.emulations
        result.kernel = kernel
        return result
    }
}

extension VirtualMachineStatistics.Queue {
    fileprivate func since(_ earlier: Self) -> Self {
        var result = self
        result.notifications &-= earlier.notifications
        result.requests &-= earlier.requests
        result.bytes &-= earlier.bytes
        result.interrupts &-= earlier.interrupts
        return result
    }

    /// Several queues as one.
    static func + (left: Self, right: Self) -> Self {
        var result = left
        result.notifications &+= right.notifications
        result.requests &+= right.requests
        result.bytes &+= right.bytes
        result.interrupts &+= right.interrupts
        return result
    }
}
