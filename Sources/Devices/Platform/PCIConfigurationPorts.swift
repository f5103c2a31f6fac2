import Synchronization

/// Ports 0xcf8 to 0xcff of a machine without a PCI bus: the configuration address and data ports read all ones, so
/// that a probe ends at once. A byte access to 0xcf9 reaches the reset control register instead, as in PC chipsets:
/// bit 2 going from 0 to 1 resets the machine (bits 1 and 3 say how thoroughly; here every reset is a full one).
/// Source: Intel I/O Controller Hub data sheets, "RST_CNT: Reset Control Register".
package final class PCIConfigurationPorts: PortDevice {
    private static let resetControl: UInt16 = 1
    private static let resetCPU: UInt8 = 0x04
    private static let writable: UInt8 = 0x0e

    private let value = Atomic<UInt8>(0)
    private let events: any MachineEvents

    package init(events: any MachineEvents) { self.events = events }

    package func read(offset: UInt16, width: Int) -> UInt32 {
        if offset == Self.resetControl, width == 1 { return UInt32(value.load(ordering: .relaxed)) }
        return .max >> (32 - 8 * width)
    }

    package func write(offset: UInt16, width: Int, value written: UInt32) {
        guard offset == Self.resetControl, width == 1 else { return }
        let new = UInt8(truncatingIfNeeded: written) & Self.writable
        let before = value.exchange(new, ordering: .relaxed)
        if new & ~before & Self.resetCPU != 0 { events.resetRequested(by: .resetControl) }
    }
}
