/// The debug-exit port: a guest that writes `v` ends its machine with exit status `(v << 1) | 1`, cut to 8 bits, as
/// such guests know it from other monitors' isa-debug-exit. One to four ports, usually from 0xf4; reads give zero.
package final class DebugExitPort: PortDevice {
    private let events: any MachineEvents

    package init(events: any MachineEvents) { self.events = events }

    package func read(offset: UInt16, width: Int) -> UInt32 { 0 }

    package func write(offset: UInt16, width: Int, value: UInt32) {
        events.exitRequested(status: UInt8(truncatingIfNeeded: value << 1 | 1))
    }
}
