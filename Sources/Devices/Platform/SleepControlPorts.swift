/// The sleep control (offset 0) and sleep status (offset 1) registers of a hardware-reduced ACPI machine: two byte-wide
/// ports. Writing the sleep enable bit with the type of state S5 powers the machine off. Source: ACPI 6.5, 4.8.3.7.
package final class SleepControlPorts: BytePortDevice {
    /// SLP_TYP of S5, to be told in the `\_S5` object.
    package static let powerOffType: UInt8 = 5
    private static let enable: UInt8 = 0x20

    private let events: any MachineEvents

    package init(events: any MachineEvents) { self.events = events }

    package func read(offset: UInt16) -> UInt8 { 0 }

    package func write(offset: UInt16, value: UInt8) {
        guard offset == 0, value & Self.enable != 0, value >> 2 & 0x07 == Self.powerOffType else { return }
        events.powerOffRequested()
    }
}
