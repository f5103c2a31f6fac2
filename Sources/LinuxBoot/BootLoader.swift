package import GuestMemory

/// Puts a kernel and everything it finds at its start into a guest's memory.
package struct BootLoader {
    package let kernel: any BootImage
    /// For Linux and PVH one ramdisk made of all; for multiboot a module each.
    package var ramdisks: [any BootImage] = []
    /// Unpacks Linux's compressed ramdisks here, each that fits in a quarter of the memory and in 1 GiB then, for guests whose kernel is slow at it.
    package var unpacksRamdisks = false
    package var commandLine = CommandLine.linux
    /// The protocol to insist on; nil takes the one that suits the kernel best.
    package var bootProtocol: BootProtocol?
    /// A flattened device tree for Linux, or nothing.
    package var deviceTree: [UInt8] = []
    /// Entropy for Linux's random number generator, or nothing.
    package var randomSeed: [UInt8] = []
    /// What ACPI tables tell of; nil writes none.
    package var acpiHardware: HardwareDescription?
    /// Describes that many processors and the IOAPIC's lines by an MP table; nil writes none.
    package var processorCount: Int?
    /// Promises that the memory is fresh: what has to be zero then is not written, and takes no host memory.
    package var memoryIsZeroed = false

    package init(kernel: any BootImage) { self.kernel = kernel }

    /// Writes the guest's memory and tells how its first processor starts.
    ///
    /// Everything that can be checked without copying is checked before the first write.
    /// - Throws: `BootError`; the memory then holds anything.
    package func load(into memory: GuestMemory) throws(BootError) -> LoadedGuest {
        guard memory.size >= BootLayout.minimumMemory else {
            throw BootError(nil, .machineTooSmall(memory: memory.size, minimum: BootLayout.minimumMemory))
        }
        let plan = try KernelPlan(of: kernel, wanted: bootProtocol, memory: memory)
        try plan.check(against: memory)
        let handover = try Handover(plan, loader: self, memory: memory)

        if !memoryIsZeroed {
            memory.clear(BootLayout.structures)
            memory.clear(BootLayout.legacyHole)
        }
        try plan.copy(to: memory, isZeroed: memoryIsZeroed)
        try handover.write(to: memory)
        handover.state.prepare(memory)
        return LoadedGuest(state: handover.state, info: handover.info)
    }
}

/// A guest that is ready to run.
package struct LoadedGuest: Sendable {
    package let state: BootState
    package let info: BootInfo
}

/// What was loaded, for the log.
package struct BootInfo: Equatable, Sendable {
    package let format: KernelFormat
    package let bootProtocol: BootProtocol
    package let entry: GuestAddress
    /// Bytes copied from the kernel's file or payload.
    package let kernelBytes: UInt64
    /// From the first byte of the kernel to the last, its zeroed data included.
    package let kernelRange: MemoryRange
    /// One for Linux and PVH, one a module for multiboot.
    package let ramdiskRanges: [MemoryRange]
    package let commandLine: String
    /// What a bzImage says of itself.
    package let kernelVersion: String?
}

extension BootInfo: CustomStringConvertible {
    package var description: String {
        let version = kernelVersion.map { " \($0)," } ?? ""
        let ramdisk = ramdiskRanges.map { ", ramdisk \($0)" }.joined()
        return "\(format) kernel,\(version) \(byteCount(kernelBytes)) at \(kernelRange), "
            + "\(bootProtocol) at \(entry)\(ramdisk)"
    }
}
