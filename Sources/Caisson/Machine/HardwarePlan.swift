import Devices
import LinuxBoot

/// What a guest is told of its hardware, and how.
struct HardwarePlan: Sendable {
    /// The line of the power button.
    static let powerButtonGSI: UInt32 = 9
    static let sleepControlPort: UInt16 = 0x600

    /// What ACPI tables tell of; nil where there are none.
    private(set) var acpi: HardwareDescription?
    /// What a device tree tells of; nil where there is none.
    private(set) var deviceTree: HardwareDescription?
    /// Words for Linux's command line.
    private(set) var words: [String] = []

    init(_ configuration: VirtualMachineConfiguration, windows: [VirtioWindow]) {
        if configuration.usesACPI {
            acpi = Self.describe(configuration, windows)
            return
        }
        // Without it, Linux searches for tables and complains.
        words = ["acpi=off"]
        if configuration.hardwareDescription == .deviceTree {
            deviceTree = Self.describe(configuration, windows)
        } else {
            words += windows.map(\.commandLineWord)
        }
    }

    private static func describe(
        _ configuration: VirtualMachineConfiguration, _ windows: [VirtioWindow]
    ) -> HardwareDescription {
        var hardware = HardwareDescription(
            processorCount: configuration.cpuCount, sleepControlPort: sleepControlPort,
            powerOffSleepType: SleepControlPorts.powerOffType, powerButtonGSI: powerButtonGSI)
        hardware.hasSerialPort = !configuration.serialPorts.isEmpty
        hardware.virtioWindows = windows.map { window in
            .init(
                address: UInt32(window.address), size: UInt32(VirtioMMIOTransport.windowSize), gsi: window.gsi)
        }
        return hardware
    }
}

extension VirtualMachineConfiguration {
    /// Whether the guest is told of its hardware by ACPI.
    var usesACPI: Bool {
        switch hardwareDescription {
        case .acpi: return true
        case .commandLine, .deviceTree: return false
        case .automatic:
            guard let loader = bootLoader as? LinuxBootLoader else { return true }
            return !loader.commandLine.split(separator: " ").contains("acpi=off")
        }
    }
}
