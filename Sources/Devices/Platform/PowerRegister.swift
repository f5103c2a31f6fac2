/// The power register of a machine described by a device tree: 4 bytes of MMIO, `compatible = "sifive,test1",
/// "sifive,test0", "syscon"`, which `syscon-poweroff` and `syscon-reboot` nodes name. The low 16 bits written say what
/// to do, the high 16 bits are an exit status for `fail`. Reads give zero.
package final class PowerRegister: MMIODevice {
    package static let powerOff: UInt32 = 0x5555
    package static let reset: UInt32 = 0x7777
    package static let fail: UInt32 = 0x3333

    private let events: any MachineEvents

    package init(events: any MachineEvents) { self.events = events }

    package func read(offset: UInt64, width: Int) -> UInt64 { 0 }

    package func write(offset: UInt64, width: Int, value: UInt64) {
        guard offset == 0, width == 4 || width == 2 else { return }
        switch UInt32(truncatingIfNeeded: value) & 0xffff {
        case Self.powerOff: events.powerOffRequested()
        case Self.reset: events.resetRequested(by: .powerRegister)
        case Self.fail: events.exitRequested(status: UInt8(truncatingIfNeeded: value >> 16))
        default: break
        }
    }
}
