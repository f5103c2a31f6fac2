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
        // While the machine is made and the host is probed, for what it is likely to be.
        let expected = HostProbing.expected
        let loading = GuestLoading(
            configuration: configuration, images: images, memory: core.memory,
            windows: devices.items.indices.map { VirtioWindow(index: $0) })
        let guest = try loading.load(for: expected, isFirst: true)
        let parts = try core.take()
        machine = parts.machine
        virtio = try Self.connect(devices, to: machine, logger)
        platform = try Platform(
            machine: machine, ending: ending, console: console, loop: loop,
            hasDebugExitPort: configuration.hasDebugExitPort, virtio: virtio)
        // For this the kernel starts a thread of its own: meanwhile the first vCPU is made.
        try onHost { () throws(KVMError) in try parts.machine.kvm.makeTimer() }
        monitor = try HaltMonitor(of: threads, on: loop, ending: ending)
        let threads = threads
        quota = try configuration.cpuQuota.map { percent throws(VirtualMachineError) in
            try CPUQuota(percent: percent, of: threads, on: loop)
        }
        self.logger = logger

        do throws(VirtualMachineError) {
            try boot(guest, loading, expected, filter: parts.filter)
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
        _ first: LoadedGuest, _ loading: GuestLoading, _ expected: HostQuirks, filter: MSRFilter?
    ) throws(VirtualMachineError) {
        var quirks = HostQuirks(rawValue: 0)
        for thread in threads { quirks.formUnion(try thread.probed.take().get()) }
        if quirks.needRepair { logger.info("the host's KVM needs repairs: \(quirks.names.joined(separator: ", "))") }
        if quirks.interceptedMSRs != filter {
            try onHost { () throws(KVMError) in try machine.kvm.filterMSRs(quirks.interceptedMSRs) }
        }
        var guest = first
        if loading.differs(for: quirks, expected) { guest = try loading.load(for: quirks, isFirst: false) }
        logger.info("\(guest.info)")
        logger.info("command line: \(guest.info.commandLine)")
        let run = VCPURun(
            handler: ExitHandler(ports: platform.ports, memory: platform.memory), ending: ending, logger: logger)
        for thread in threads {
            thread.begin(thread.index == 0 ? .at(guest.state, run) : .onStartUpInterrupt(quirks, run))
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
    /// - Returns: whether Linux left its mark of a reset after a panic (`reboot=panic_warm`).
    @discardableResult
    func end() -> Bool {
        ending.end(.stopped)
        monitor.stop()
        quota?.stop()
        for thread in threads { thread.join() }
        for slot in virtio { slot.powerOff() }
        let (ports, memory) = (platform.ports, platform.memory)
        logger.debug(
            """
            accesses to no device: \(ports.unknownReads) reads and \(ports.unknownWrites) writes of ports, \
            \(memory.unknownReads) reads and \(memory.unknownWrites) writes of memory
            """)
        return (try? machine.memory.load(UInt16.self, at: BootLayout.warmResetFlag)) == 0x1234
    }
}
