import Synchronization

/// Takes a guest's port accesses to the devices that answer them.
///
/// Built once, before the vCPUs start, and the same from then on. An access belongs to a device only when all its
/// bytes do: the bus splits none, so that a 32-bit access to the PCI address port 0xcf8 never touches the reset
/// control at 0xcf9. What belongs to no device reads all ones, writes nothing, and is counted.
package final class PortBus: Sendable {
    /// A device and the ports it answers.
    package struct Registration: Sendable {
        package let ports: ClosedRange<UInt16>
        /// The port at which the device's offset is 0.
        package let base: UInt16
        package let device: any PortDevice

        /// - Parameter base: the first of `ports` unless given; at most the first of `ports`.
        package init(_ device: any PortDevice, at ports: ClosedRange<UInt16>, base: UInt16? = nil) {
            self.device = device
            self.ports = ports
            self.base = base ?? ports.lowerBound
        }
    }

    private let map: AddressMap<any PortDevice>
    private let reads = Atomic<UInt64>(0)
    private let writes = Atomic<UInt64>(0)

    /// - Throws: `overlap`, `baseAboveRange`.
    package init(_ registrations: [Registration]) throws(BusError) {
        map = try AddressMap(
            registrations.map {
                .init(
                    addresses: UInt64($0.ports.lowerBound)...UInt64($0.ports.upperBound), base: UInt64($0.base),
                    device: $0.device)
            },
            blockShift: 3)
    }

    /// Reads of ports that no device answers, since the machine was built.
    package var unknownReads: UInt64 { reads.load(ordering: .relaxed) }
    /// Writes to ports that no device answers, since the machine was built.
    package var unknownWrites: UInt64 { writes.load(ordering: .relaxed) }

    /// Reads `width` bytes (1, 2 or 4) at `port`.
    package func read(port: UInt16, width: Int) -> UInt32 {
        let value = map.withDevice(at: UInt64(port), width: width) {
            $0.device.read(offset: UInt16(truncatingIfNeeded: $1), width: width)
        }
        if let value { return value }
        reads.wrappingAdd(1, ordering: .relaxed)
        return .max >> (32 - 8 * width)
    }

    /// Writes the low `width` bytes (1, 2 or 4) of `value` at `port`.
    package func write(port: UInt16, width: Int, value: UInt32) {
        let isKnown: Void? = map.withDevice(at: UInt64(port), width: width) {
            $0.device.write(offset: UInt16(truncatingIfNeeded: $1), width: width, value: value)
        }
        if isKnown == nil { writes.wrappingAdd(1, ordering: .relaxed) }
    }
}
