import Synchronization

/// Ports 0xcf8 to 0xcff: configuration mechanism 1 of a PCI bus with nothing on it but its host bridge, so that a
/// kernel which looks for a bus finds one, and is done.
///
/// The address is at 0xcf8, the register that it selects at 0xcfc (PCI Local Bus Specification 3.0, 3.2.2.3.2). A byte
/// access to 0xcf9 reaches the reset control register instead, as in PC chipsets: bit 2 going from 0 to 1 resets the
/// machine (bits 1 and 3 say how thoroughly; here every reset is a full one). Source: Intel I/O Controller Hub data
/// sheets, "RST_CNT: Reset Control Register".
package final class PCIConfigurationPorts: PortDevice {
    private static let resetControl: UInt16 = 1
    private static let resetCPU: UInt8 = 0x04
    private static let writable: UInt8 = 0x0e

    /// Bits of the address that are kept: enable, bus, device, function, register.
    private static let addressBits: UInt32 = 0x80ff_fffc
    private static let enable: UInt32 = 0x8000_0000
    /// Where the data is among the ports.
    private static let data: UInt16 = 4

    private let value = Atomic<UInt8>(0)
    private let address = Atomic<UInt32>(0)
    private let events: any MachineEvents

    package init(events: any MachineEvents) { self.events = events }

    package func read(offset: UInt16, width: Int) -> UInt32 {
        let nothing: UInt32 = .max >> (32 - 8 * width)
        if offset >= Self.data {
            let shift = 8 * UInt32(offset - Self.data)
            return (selected.map { $0 >> shift } ?? .max) & nothing
        }
        if offset == Self.resetControl, width == 1 { return UInt32(value.load(ordering: .relaxed)) }
        return offset == 0 && width == 4 ? address.load(ordering: .relaxed) : nothing
    }

    /// The selected register's 32 bits; nil where no device is.
    private var selected: UInt32? {
        let address = address.load(ordering: .relaxed)
        // Bus 0, device 0, function 0.
        guard address & Self.enable != 0, address & 0x00ff_ff00 == 0 else { return nil }
        return switch address & 0xfc {
        // Device and vendor: Red Hat's number for a bare host bridge.
        case 0x00: 0x0008_1b36
        // Class: a host bridge.
        case 0x08: 0x0600_0000
        default: 0
        }
    }

    package func write(offset: UInt16, width: Int, value written: UInt32) {
        if offset == 0, width == 4 { return address.store(written & Self.addressBits, ordering: .relaxed) }
        guard offset == Self.resetControl, width == 1 else { return }
        let new = UInt8(truncatingIfNeeded: written) & Self.writable
        let before = value.exchange(new, ordering: .relaxed)
        if new & ~before & Self.resetCPU != 0 { events.resetRequested(by: .resetControl) }
    }
}
