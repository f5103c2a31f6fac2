import GuestMemory
import HostIO

/// What a virtual machine is made of.
///
///     var configuration = VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: "vmlinux"))
///     configuration.memorySize = 256 << 20
///     configuration.serialPorts = [SerialPortConfiguration(attachment: FileHandleSerialPortAttachment.standardStreams)]
public struct VirtualMachineConfiguration: Sendable {
    /// What the machine is called in messages.
    public var name = "machine"
    /// What starts in the machine.
    public var bootLoader: any BootLoader
    /// Virtual processors: `minimumAllowedCPUCount` to `maximumAllowedCPUCount`.
    public var cpuCount = 1
    /// The most CPU time that the processors use, together, in percent of one of the host's: 1 to 100 for each. Without
    /// it there is no limit but their number.
    public var cpuQuota: Int?
    /// The host's processor for each of the machine's, by its number on the host; empty lets the host choose as it
    /// likes.
    public var cpuAffinity: [Int] = []
    /// Bytes of RAM: `minimumAllowedMemorySize` to `maximumAllowedMemorySize`, in multiples of 4 KiB. The host gives
    /// memory page by page, when the guest first uses it.
    public var memorySize: UInt64 = 512 << 20
    /// What the host takes the memory from.
    public var memoryBacking = MemoryBackingMode.anonymous
    /// At most one.
    public var serialPorts: [SerialPortConfiguration] = []
    /// Consoles beside the serial port, and streams with names.
    public var consoleDevices: [VirtioConsoleDeviceConfiguration] = []
    /// The disks, in the order in which the guest finds them.
    public var storageDevices: [VirtioBlockDeviceConfiguration] = []
    /// The network devices, in the order in which the guest finds them.
    public var networkDevices: [VirtioNetworkDeviceConfiguration] = []
    /// Sources of random numbers. One is enough.
    public var entropyDevices: [VirtioEntropyDeviceConfiguration] = []
    /// At most one. `VirtualMachine.memoryBalloonDevices` has its controls.
    public var memoryBalloonDevices: [VirtioTraditionalMemoryBalloonDeviceConfiguration] = []
    /// At most one.
    public var socketDevices: [VirtioSocketDeviceConfiguration] = []
    /// Directories of the host's, each of which the guest mounts by its tag.
    public var directorySharingDevices: [VirtioFileSystemDeviceConfiguration] = []
    /// What the guest's agent makes its root file system of; nil for a guest that has one of its own.
    public var rootFileSystem: GuestRootFileSystem?
    /// Files that are in the guest before its first command.
    package var copiedFiles: [CopiedFiles] = []
    /// How the guest learns of its devices.
    public var hardwareDescription = HardwareDescriptionMethod.automatic
    /// Whether a guest that resets its machine starts again; otherwise the machine stops.
    public var restartsOnReset = true
    /// Whether the guest may end the machine with an exit status of its own, by writing to port 0xf4.
    public var hasDebugExitPort = false

    /// A machine with one processor, 512 MiB of memory and no serial port.
    public init(bootLoader: any BootLoader) { self.bootLoader = bootLoader }

    /// The least `cpuCount`.
    public static let minimumAllowedCPUCount = 1
    /// The greatest `cpuCount`: what APIC ids of 8 bits can number. The host's KVM may allow fewer.
    public static let maximumAllowedCPUCount = 254
    /// The numbers that the host's processors can have in `cpuAffinity`.
    public static let allowedHostProcessors = 0...1023
    /// The least `memorySize`, in bytes.
    public static let minimumAllowedMemorySize: UInt64 = 1 << 20
    /// The greatest `memorySize`, in bytes: what an address space can hold. The host's memory sets the limit in practice.
    public static let maximumAllowedMemorySize: UInt64 = 1 << 46

    /// The most virtio devices of all kinds together: each has an interrupt line of its own.
    public static var maximumAllowedVirtioDeviceCount: Int { VirtioWindow.limit }

    private var virtioDeviceCount: Int {
        consoleDevices.count + storageDevices.count + networkDevices.count + entropyDevices.count
            + memoryBalloonDevices.count + socketDevices.count + directorySharingDevices.count
    }

    /// Checks everything that can be checked without touching the host.
    /// - Throws: `invalidConfiguration`.
    public func validate() throws(VirtualMachineError) {
        func invalid(_ message: String) -> VirtualMachineError { VirtualMachineError(.invalidConfiguration, message) }
        guard bootLoader is LinuxBootLoader else {
            throw invalid("the boot loader is none of Caisson's: use LinuxBootLoader")
        }
        guard (Self.minimumAllowedCPUCount...Self.maximumAllowedCPUCount).contains(cpuCount) else {
            throw invalid(
                "\(cpuCount) processors: a machine has \(Self.minimumAllowedCPUCount) to \(Self.maximumAllowedCPUCount)"
            )
        }
        if let cpuQuota, !(1...100 * cpuCount).contains(cpuQuota) {
            throw invalid(
                "a CPU quota of \(cpuQuota) %: \(cpuCount) processors use 1 to \(100 * cpuCount) % of one of the host's"
            )
        }
        guard cpuAffinity.isEmpty || cpuAffinity.count == cpuCount else {
            throw invalid(
                "\(cpuAffinity.count) of the host's processors for a machine's \(cpuCount): give one for each")
        }
        if let number = cpuAffinity.first(where: { !Self.allowedHostProcessors.contains($0) }) {
            throw invalid("a host has no processor \(number): use 0 to \(Self.allowedHostProcessors.upperBound)")
        }
        guard (Self.minimumAllowedMemorySize...Self.maximumAllowedMemorySize).contains(memorySize) else {
            throw invalid("\(memorySize) bytes of memory: a machine has 1 MiB to 64 TiB")
        }
        guard memorySize % memoryBacking.pageSize == 0 else {
            throw invalid("\(memorySize) bytes of memory: the size has to be a multiple of \(memoryBacking.pageSize)")
        }
        guard serialPorts.count <= 1 else {
            throw invalid("\(serialPorts.count) serial ports: a machine has at most 1")
        }
        guard virtioDeviceCount <= Self.maximumAllowedVirtioDeviceCount else {
            throw invalid(
                "\(virtioDeviceCount) virtio devices: a machine has at most \(Self.maximumAllowedVirtioDeviceCount)")
        }
        guard memoryBalloonDevices.count <= 1 else {
            throw invalid("\(memoryBalloonDevices.count) memory balloons: a machine has at most 1")
        }
        if let target = memoryBalloonDevices.first?.targetVirtualMachineMemorySize, target > memorySize {
            throw invalid("a balloon that leaves \(target) bytes of memory: the machine has \(memorySize)")
        }
        for device in consoleDevices { try device.validate() }
        for disk in storageDevices { try disk.validate() }
        for device in networkDevices { try device.validate() }
        guard socketDevices.count <= 1 else {
            throw invalid("\(socketDevices.count) socket devices: a machine has at most 1")
        }
        for device in socketDevices { try device.validate() }
        for device in directorySharingDevices { try device.validate() }
        let tags = directorySharingDevices.map(\.tag)
        if let tag = tags.first(where: { tag in tags.count { $0 == tag } > 1 }) {
            throw invalid("two file systems have the tag '\(tag)'")
        }
        try rootFileSystem?.validate(in: self)
        guard serialPorts.allSatisfy({ $0.attachment.source != nil }) else {
            throw invalid("a serial port's attachment is none of Caisson's")
        }
    }
}
