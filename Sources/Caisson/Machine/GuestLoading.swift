import CLinux
import GuestMemory
import LinuxBoot
import SoftwareKVM

/// What a guest's memory is loaded with.
struct GuestLoading {
    let configuration: VirtualMachineConfiguration
    let images: BootImages
    let memory: GuestMemory
    let windows: [VirtioWindow]

    /// Whether hosts with these quirks take different guests.
    func differs(for quirks: HostQuirks, _ others: HostQuirks) -> Bool {
        quirks.needRepair != others.needRepair
            || HostCommandLine.words(for: quirks) != HostCommandLine.words(for: others)
    }

    /// - Parameter isFirst: whether the memory is fresh.
    /// - Throws: whatever is wrong with the guest.
    func load(for quirks: HostQuirks, isFirst: Bool) throws(VirtualMachineError) -> LoadedGuest {
        guard let settings = configuration.bootLoader as? LinuxBootLoader else {
            preconditionFailure("a validated configuration has Caisson's boot loader")
        }
        var loader = LinuxBoot.BootLoader(kernel: images.kernel)
        loader.ramdisks = images.ramdisks
        loader.unpacksRamdisks = quirks.needRepair
        let plan = HardwarePlan(configuration, windows: windows)
        let defaults = CommandLine.linux.withDefaults(plan.words + HostCommandLine.words(for: quirks))
        loader.commandLine =
            settings.usesDefaultCommandLine
            ? defaults.extended(by: settings.commandLine) : defaults.replaced(by: settings.commandLine)
        loader.acpiHardware = plan.acpi
        // An MP table would count the tree's processors once more.
        loader.processorCount = plan.deviceTree == nil ? configuration.cpuCount : nil
        loader.randomSeed = Self.randomSeed()
        loader.memoryIsZeroed = isFirst
        do {
            if let hardware = plan.deviceTree {
                loader.deviceTree = try DeviceTree(hardware, map: MemoryMap(of: memory)).bytes
            }
            return try loader.load(into: memory)
        } catch { throw VirtualMachineError(error) }
    }

    /// For the guest's random number generator; nothing where the host has none to give yet.
    private static func randomSeed() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            // SAFETY: the kernel fills at most the buffer's 32 bytes.
            count = max(0, unsafe getrandom(buffer.baseAddress, 32, UInt32(GRND_NONBLOCK)))
        }
    }
}
