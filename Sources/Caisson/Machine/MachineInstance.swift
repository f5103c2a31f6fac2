import CLinux
import Devices
import GuestMemory
import HostIO
import KVM
import LinuxBoot
import Logging
import SoftwareKVM

/// A machine from power-on to its end or reset: memory, devices and processors, all new.
final class MachineInstance: Sendable {
    private let machine: MachineHandle
    private let virtio: [VirtioSlot]
    private let platform: Platform
    private let threads: [VCPUThread]
    private let ending: MachineEnding
    private let monitor: HaltMonitor
    private let quota: CPUQuota?
    private let logger: Logger

    /// Builds the machine and lets it run.
    /// - Parameter ended: called once, from any thread, when the machine is about to end.
    /// - Throws: whatever keeps the machine from running.
    init(
        _ configuration: VirtualMachineConfiguration, core: MachineCore, images: BootImages, console: ConsoleLine?,
        loop: EventLoop, devices: HostDevices, logger: Logger, ended: @escaping @Sendable (MachineEnd) -> Void
    ) throws(VirtualMachineError) {
        threads = core.threads
        ending = MachineEnding(handler: ended)
        ending.setThreads(threads)
        let parts = try core.take()
        machine = parts.machine
        virtio = try Self.connect(devices, to: machine, logger)
        platform = try Platform(
            machine: machine, ending: ending, console: console, loop: loop,
            hasDebugExitPort: configuration.hasDebugExitPort, virtio: virtio)
        monitor = try HaltMonitor(of: threads, on: loop, ending: ending)
        let threads = threads
        quota = try configuration.cpuQuota.map { percent throws(VirtualMachineError) in
            try CPUQuota(percent: percent, of: threads, on: loop)
        }
        self.logger = logger

        do throws(VirtualMachineError) {
            try boot(configuration, images, filter: parts.filter)
            console?.connect(to: platform.serial)
        } catch {
            end()
            throw error
        }
    }

    private static func connect(
        _ devices: HostDevices, to machine: MachineHandle, _ logger: Logger
    ) throws(VirtualMachineError) -> [VirtioSlot] {
        var slots: [VirtioSlot] = []
        for (index, item) in devices.items.enumerated() {
            slots.append(
                try VirtioSlot(
                    item.make(), name: item.name, in: VirtioWindow(index: index), machine: machine, loop: item.loop,
                    counters: item.counters, logger: logger))
        }
        return slots
    }

    private func boot(
        _ configuration: VirtualMachineConfiguration, _ images: BootImages, filter: MSRFilter?
    ) throws(VirtualMachineError) {
        var quirks: HostQuirks = []
        for thread in threads { quirks.formUnion(try thread.probed.take().get()) }
        if quirks.needRepair { logger.info("the host's KVM needs repairs: \(quirks.names.joined(separator: ", "))") }
        if quirks.interceptedMSRs != filter {
            try onHost { () throws(KVMError) in try machine.kvm.filterMSRs(quirks.interceptedMSRs) }
        }
        let guest = try load(configuration, images, quirks)
        logger.info("\(guest.info)")
        logger.info("command line: \(guest.info.commandLine)")
        let run = VCPURun(
            handler: ExitHandler(ports: platform.ports, memory: platform.memory), ending: ending, logger: logger)
        for thread in threads {
            thread.begin(thread.index == 0 ? .at(guest.state, run) : .onStartUpInterrupt(quirks, run))
        }
    }

    private func load(
        _ configuration: VirtualMachineConfiguration, _ images: BootImages, _ quirks: HostQuirks
    ) throws(VirtualMachineError) -> LoadedGuest {
        guard let settings = configuration.bootLoader as? LinuxBootLoader else {
            preconditionFailure("a validated configuration has Caisson's boot loader")
        }
        var loader = LinuxBoot.BootLoader(kernel: images.kernel)
        loader.ramdisks = images.ramdisks
        loader.unpacksRamdisks = quirks.needRepair
        let plan = HardwarePlan(configuration, windows: virtio.map(\.window))
        let defaults = CommandLine.linux.withDefaults(plan.words + HostCommandLine.words(for: quirks))
        loader.commandLine =
            settings.usesDefaultCommandLine
            ? defaults.extended(by: settings.commandLine) : defaults.replaced(by: settings.commandLine)
        loader.acpiHardware = plan.acpi
        // An MP table would count the tree's processors once more.
        loader.processorCount = plan.deviceTree == nil ? configuration.cpuCount : nil
        loader.randomSeed = Self.randomSeed()
        loader.memoryIsZeroed = true
        do {
            if let hardware = plan.deviceTree {
                loader.deviceTree = try DeviceTree(hardware, map: MemoryMap(of: machine.memory)).bytes
            }
            return try loader.load(into: machine.memory)
        } catch { throw VirtualMachineError(error) }
    }

    /// For the guest's random number generator; nothing where the host has none to give yet.
    private static func randomSeed() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            // SAFETY: the kernel fills at most the buffer's 32 bytes.
            count = max(0, unsafe getrandom(buffer.baseAddress, 32, UInt32(GRND_NONBLOCK)))
        }
    }

    /// Stops all processors between two instructions; returns when they stand.
    func pause() {
        for thread in threads { thread.order(.pause) }
        for thread in threads { thread.waitUntilParked() }
    }

    /// Lets the processors go on. The guest's clock goes on from where it stopped.
    func resume() {
        for thread in threads { thread.resume() }
    }

    /// The guest's.
    var memory: GuestMemory { machine.memory }

    /// Has the kernel's counters of the processors opened, soon.
    func openKernelCounters() {
        for thread in threads { thread.openKernelCounters() }
    }

    /// Asks the guest to shut down.
    func pressPowerButton() { platform.powerButton.press() }

    /// Asks for an end, unless there is one already.
    func requestEnd(_ end: MachineEnd) { ending.end(end) }

    /// Waits for the processors' end, switches the devices off, and lets go of the machine's timers.
    func end() {
        ending.end(.stopped)
        monitor.stop()
        quota?.stop()
        for thread in threads { thread.waitUntilEnded() }
        for slot in virtio { slot.powerOff() }
        let (ports, memory) = (platform.ports, platform.memory)
        logger.debug(
            """
            accesses to no device: \(ports.unknownReads) reads and \(ports.unknownWrites) writes of ports, \
            \(memory.unknownReads) reads and \(memory.unknownWrites) writes of memory
            """)
    }

    /// Whether Linux marked the reset that ended the machine as one after a panic (`reboot=panic_warm`).
    var hasPanicMark: Bool {
        (try? machine.memory.load(UInt16.self, at: BootLayout.warmResetFlag)) == 0x1234
    }
}
