import Devices
import LinuxBoot

/// What a guest is told of its hardware, and how.
struct HardwarePlan: Sendable {
    /// The line of the power button.
    static let powerButtonGSI: UInt32 = 9
    static let sleepControlPort: UInt16 = 0x600

    /// Nil where the guest hears nothing by ACPI.
    let acpi: HardwareDescription?
    /// Words for Linux's command line.
    let words: [String]

    init(_ configuration: VirtualMachineConfiguration, windows: [VirtioWindow]) {
        guard configuration.usesACPI else {
            acpi = nil
            // Without the first, Linux searches for tables and complains.
            words = ["acpi=off"] + windows.map(\.commandLineWord)
            return
        }
        var hardware = HardwareDescription(
            processorCount: configuration.cpuCount, sleepControlPort: Self.sleepControlPort,
            powerOffSleepType: SleepControlPorts.powerOffType, powerButtonGSI: Self.powerButtonGSI)
        hardware.hasSerialPort = !configuration.serialPorts.isEmpty
        hardware.virtioWindows = windows.map { window in
            .init(
                address: UInt32(window.address), size: UInt32(VirtioMMIOTransport.windowSize), gsi: window.gsi)
        }
        acpi = hardware
        words = []
    }
}

extension VirtualMachineConfiguration {
    /// Whether the guest is told of its hardware by ACPI.
    var usesACPI: Bool {
        switch hardwareDescription {
        case .acpi: return true
        case .commandLine: return false
        case .automatic:
            guard let loader = bootLoader as? LinuxBootLoader else { return true }
            return !loader.commandLine.split(separator: " ").contains("acpi=off")
        }
    }
}
