import Synchronization

/// System control port A, 0x92: bit 0 going from 0 to 1 resets the machine at once; bit 1 is the A20 gate, which is
/// always open. Source: IBM PS/2 Hardware Interface Technical Reference, "System Control Ports".
package final class SystemControlPortA: BytePortDevice {
    private let value = Atomic<UInt8>(a20Open)
    private let events: any MachineEvents
    private static let fastReset: UInt8 = 0x01
    private static let a20Open: UInt8 = 0x02

    package init(events: any MachineEvents) { self.events = events }

    package func read(offset: UInt16) -> UInt8 { value.load(ordering: .relaxed) }

    package func write(offset: UInt16, value new: UInt8) {
        let before = value.exchange(new | Self.a20Open, ordering: .relaxed)
        if new & ~before & Self.fastReset != 0 { events.resetRequested(by: .systemControlPortA) }
    }
}
