import Dispatch
import HostIO
import SoftwareKVM
import Synchronization
import SystemPackage
import Testing

@testable import Caisson

@Suite struct MachineEndingTests {
    @Test func theFirstEndCounts() {
        let ends = Mutex<[MachineEnd]>([])
        let ending = MachineEnding { end in ends.withLock { $0.append(end) } }
        #expect(!ending.hasEnded)
        ending.resetRequested(by: .keyboardController)
        ending.powerOffRequested()
        ending.end(.stopped)
        #expect(ends.withLock { $0 } == [.reset(.keyboardController)])
        #expect(ending.hasEnded)
    }

    @Test(arguments: [
        (0, MachineEnd.powerOff(.powerControl)), (1, .exit(status: 7)), (2, .crash(.panic)),
        (3, .reset(.systemControlPortA)),
    ])
    func devicesEndTheMachine(number: Int, expected: MachineEnd) {
        let end = Mutex<MachineEnd?>(nil)
        let ending = MachineEnding { new in end.withLock { $0 = new } }
        switch number {
        case 0: ending.powerOffRequested()
        case 1: ending.exitRequested(status: 7)
        case 2: ending.guestPanicked()
        default: ending.resetRequested(by: .systemControlPortA)
        }
        #expect(end.withLock { $0 } == expected)
    }
}

@Suite struct VCPUOrderTests {
    @Test func ordersAreTakenOnce() {
        let box = VCPUOrderBox()
        #expect(box.take() == [])
        box.add(.pause)
        box.add(.inspect)
        #expect(box.take() == [.pause, .inspect])
        #expect(box.take() == [])
    }

    @Test func aHoldStaysUntilItIsTakenBack() {
        let box = VCPUOrderBox()
        #expect(box.add([.hold, .inspect]) == [])
        #expect(box.take() == [.hold, .inspect])
        #expect(box.add(.pause) == .hold)
        #expect(box.take() == [.hold, .pause])
        #expect(box.remove(.hold) == .hold)
        #expect(box.remove(.hold) == [])
        #expect(box.take() == [])
    }

    @Test func aStopStays() {
        let box = VCPUOrderBox()
        box.add(.stop)
        #expect(box.take() == .stop)
        #expect(box.take().contains(.stop))
    }

    @Test func noOrderOfSeveralThreadsIsLost() {
        let box = VCPUOrderBox()
        DispatchQueue.concurrentPerform(iterations: 3) { index in
            box.add(VCPUOrders(rawValue: 1 << UInt8(index)))
        }
        #expect(box.take() == [.pause, .inspect, .stop])
    }
}

@Suite struct HandoffTests {
    @Test func theFirstValueCounts() {
        let handoff = Handoff<Int>()
        handoff.give(1)
        handoff.give(2)
        #expect(handoff.take() == 1)
        #expect(handoff.take() == 1)
    }

    @Test func takingWaits() {
        final class Shared: Sendable { let handoff = Handoff<Int>() }
        let shared = Shared()
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(10)) { shared.handoff.give(5) }
        #expect(shared.handoff.take() == 5)
    }
}

@Suite struct HostCommandLineTests {
    @Test func hardwareGetsNoWordsForAnEmulator() {
        #expect(HostCommandLine.words(for: []).isEmpty)
    }

    @Test func anEmulatorGetsWhatItLacks() {
        let words = HostCommandLine.words(for: [.kernelCodeIsEmulated])
        // Programs use what they find, and lose it where the kernel does not save it.
        #expect(!words.contains("noxsave"))
        #expect(words.contains { $0.hasPrefix("clearcpuid=") && $0.contains("151") && $0.contains("580") })
        // Linux cuts the list of features at 127 characters.
        #expect(words.allSatisfy { $0.utf8.count < 127 && !$0.contains(" ") })
    }
}

@Suite struct HardwarePlanTests {
    private func plan(_ method: HardwareDescriptionMethod, _ words: String = "") -> HardwarePlan {
        var configuration = VirtualMachineConfiguration(
            bootLoader: LinuxBootLoader(kernel: "vmlinux", commandLine: words))
        configuration.hardwareDescription = method
        return HardwarePlan(configuration, windows: [VirtioWindow(index: 0), VirtioWindow(index: 1)])
    }

    @Test(
        arguments: [
            (.automatic, "quiet", true), (.automatic, "quiet acpi=off", false), (.automatic, "acpi=offline", true),
            (.acpi, "acpi=off", true), (.commandLine, "", false),
        ] as [(HardwareDescriptionMethod, String, Bool)])
    func devicesAreToldOfOnce(_ method: HardwareDescriptionMethod, _ words: String, _ usesACPI: Bool) {
        let plan = plan(method, words)
        #expect((plan.acpi != nil) == usesACPI)
        if usesACPI {
            #expect(plan.words.isEmpty && plan.acpi?.virtioWindows.count == 2 && plan.deviceTree == nil)
        } else {
            #expect(
                plan.words == [
                    "acpi=off", "virtio_mmio.device=4K@0xd0000000:16", "virtio_mmio.device=4K@0xd0001000:17",
                ])
        }
    }

    @Test func aDeviceTreeTellsOfAll() {
        let plan = plan(.deviceTree)
        #expect(plan.words == ["acpi=off"] && plan.acpi == nil)
        #expect(plan.deviceTree?.virtioWindows.count == 2)
    }

    @Test func windowsAreApart() {
        let windows = (0..<VirtioWindow.limit).map(VirtioWindow.init(index:))
        #expect(Set(windows.map(\.address)).count == windows.count)
        // Timer, keyboard, cascade, serial port, clock, power button and coprocessor have theirs.
        let taken: Set<UInt32> = [0, 1, 2, 4, 8, HardwarePlan.powerButtonGSI, 13]
        #expect(Set(windows.map(\.gsi)).count == windows.count && taken.isDisjoint(with: windows.map(\.gsi)))
        #expect(windows.allSatisfy { $0.gsi < 24 })
    }

    @Test(arguments: [.commandLine, .deviceTree] as [HardwareDescriptionMethod])
    func aMachineWithoutACPIHasNoPowerButton(method: HardwareDescriptionMethod) throws {
        var configuration = VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: "vmlinux"))
        configuration.hardwareDescription = method
        let machine = try VirtualMachine(configuration: configuration)
        let error = #expect(throws: VirtualMachineError.self) { try machine.requestStop() }
        #expect(error?.code == .notSupported)
    }
}

@Suite struct ConfigurationTests {
    private func configuration() -> VirtualMachineConfiguration {
        var configuration = VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: "vmlinux"))
        configuration.memorySize = 64 << 20
        configuration.serialPorts = [.init(attachment: FileHandleSerialPortAttachment.standardStreams)]
        return configuration
    }

    private struct ForeignLoader: Caisson.BootLoader {}
    private struct ForeignAttachment: SerialPortAttachment {}

    @Test func limitsOfZeroAndBurstsAloneAreRefused() throws {
        var limit = RateLimit()
        limit.bytesPerSecond = 1
        limit.operationsPerSecond = .max
        limit.operationBurst = 1
        try limit.validate()
        #expect(RateLimit(limit.specification) == limit)
        limit.operationsPerSecond = 0
        #expect(throws: VirtualMachineError.self) { try limit.validate() }
        limit.operationsPerSecond = nil
        var configuration = configuration()
        configuration.storageDevices = [
            VirtioBlockDeviceConfiguration(attachment: ScratchStorageDeviceAttachment(size: 512))
        ]
        try configuration.validate()
        configuration.storageDevices[0].rateLimit = limit
        #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        configuration.storageDevices = []
        configuration.networkDevices = [VirtioNetworkDeviceConfiguration(attachment: NATNetworkDeviceAttachment())]
        try configuration.validate()
        configuration.networkDevices[0].rateLimit = limit
        #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        limit.operationBurst = nil
        configuration.networkDevices[0].rateLimit = limit
        try configuration.validate()
        let specification = try #require(configuration.networkDevices[0].specification)
        #expect(VirtioNetworkDeviceConfiguration(specification).rateLimit == limit)
    }

    @Test func aSensibleOneIsValid() throws { try configuration().validate() }

    @Test(arguments: [
        (0 as UInt64, "1 MiB"), (4096 as UInt64, "1 MiB"), (1_048_577 as UInt64, "multiple of 4096"),
        (1 << 60 as UInt64, "64 TiB"),
    ])
    func memoryHasLimits(size: UInt64, words: String) {
        var configuration = configuration()
        configuration.memorySize = size
        let error = #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains(words) == true)
    }

    @Test(arguments: [-1, 0, 255, 1000])
    func processorsHaveLimits(count: Int) {
        var configuration = configuration()
        configuration.cpuCount = count
        #expect(throws: VirtualMachineError.self) { try configuration.validate() }
    }

    @Test(arguments: [(1, 1, true), (100, 1, true), (101, 1, false), (0, 1, false), (-1, 2, false), (200, 2, true)])
    func quotasHaveLimits(percent: Int, processors: Int, isValid: Bool) throws {
        var configuration = configuration()
        configuration.cpuCount = processors
        configuration.cpuQuota = percent
        if isValid {
            try configuration.validate()
        } else {
            #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        }
    }

    @Test(arguments: [([0], 2), ([0, 1], 1), ([-1], 1), ([1024], 1)] as [([Int], Int)])
    func eachProcessorHasOneOfTheHosts(affinity: [Int], count: Int) throws {
        var configuration = configuration()
        configuration.cpuCount = count
        configuration.cpuAffinity = affinity
        let error = #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        #expect(error?.code == .invalidConfiguration)
        configuration.cpuAffinity = (0..<count).map { _ in 1023 }
        try configuration.validate()
    }

    @Test func foreignPartsAreRefused() {
        var first = configuration()
        first.bootLoader = ForeignLoader()
        #expect(throws: VirtualMachineError.self) { try first.validate() }
        var second = configuration()
        second.serialPorts = [.init(attachment: ForeignAttachment())]
        #expect(throws: VirtualMachineError.self) { try second.validate() }
        var third = configuration()
        third.serialPorts += third.serialPorts
        #expect(throws: VirtualMachineError.self) { try third.validate() }
    }

    @Test func aNATNetworkHasItsOwnMTU() throws {
        var configuration = configuration()
        var device = VirtioNetworkDeviceConfiguration(attachment: NATNetworkDeviceAttachment())
        configuration.networkDevices = [device]
        try configuration.validate()
        device.maximumTransmissionUnit = 1400
        configuration.networkDevices = [device]
        let error = #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        #expect(error?.code == .invalidConfiguration && error?.message.contains("65520") == true)
    }

    @Test func consoleDevicesAreChecked() throws {
        func check(_ ports: [VirtioConsolePortConfiguration]) throws {
            var configuration = configuration()
            configuration.consoleDevices = [.init(ports: ports)]
            try configuration.validate()
        }
        func port(_ name: String? = nil) -> VirtioConsolePortConfiguration {
            .init(name: name, attachment: PseudoterminalSerialPortAttachment())
        }
        try check([port(), port("a"), port("b")])
        try check((0..<31).map { port("\($0)") })
        for ports in [
            [], (0..<32).map { port("\($0)") }, [port("a"), port("a")], [port("")], [port("a/b")], [port("a b")],
            [.init(attachment: ForeignAttachment())],
        ] as [[VirtioConsolePortConfiguration]] {
            let error = #expect(throws: VirtualMachineError.self) { try check(ports) }
            #expect(error?.code == .invalidConfiguration)
        }
    }

    @Test(arguments: [
        ("/nonexistent/vmlinux", "/nonexistent/vmlinux"), ("/", "directory"), ("/dev/null", "no regular file"),
    ])
    func aKernelThatIsNoneIsNamed(path: String, words: String) async throws {
        let machine = try VirtualMachine(
            configuration: VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: FilePath(path))))
        let error = await #expect(throws: VirtualMachineError.self) { try await machine.start() }
        #expect(error?.code == .cannotBoot)
        #expect(error?.message.contains(words) == true)
        #expect(error?.message.contains("\n") == false)
        #expect(machine.state == .error)
        #expect(machine.canStart)
    }

    @Test func aStoppedMachineCanOnlyBeStarted() async throws {
        let machine = try VirtualMachine(configuration: configuration())
        #expect(machine.state == .stopped)
        #expect(machine.canStart && !machine.canPause && !machine.canResume && !machine.canStop)
        for action in [machine.pause, machine.resume, machine.stop] {
            let error = await #expect(throws: VirtualMachineError.self) { try await action() }
            #expect(error?.code == .invalidState)
        }
        #expect(!machine.canRequestStop)
        let error = #expect(throws: VirtualMachineError.self) { try machine.requestStop() }
        #expect(error?.code == .invalidState)
    }
}
