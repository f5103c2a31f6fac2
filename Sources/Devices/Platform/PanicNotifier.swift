/// The register through which a guest's kernel says that it panicked: one byte, at port 0x505 (ACPI `QEMU0001`) or in
/// MMIO (`compatible = "qemu,pvpanic-mmio"`). Reading tells the events it knows. Source: QEMU, docs/specs/pvpanic.
package final class PanicNotifier: PortDevice, MMIODevice {
    private static let panicked: UInt8 = 0x01

    private let events: any MachineEvents

    package init(events: any MachineEvents) { self.events = events }

    package func read(offset: UInt16, width: Int) -> UInt32 { offset == 0 ? UInt32(Self.panicked) : 0 }
    package func read(offset: UInt64, width: Int) -> UInt64 { offset == 0 ? UInt64(Self.panicked) : 0 }

    package func write(offset: UInt16, width: Int, value: UInt32) {
        write(offset: UInt64(offset), width: width, value: UInt64(value))
    }

    package func write(offset: UInt64, width: Int, value: UInt64) {
        guard offset == 0, UInt8(truncatingIfNeeded: value) & Self.panicked != 0 else { return }
        events.guestPanicked()
    }
}
