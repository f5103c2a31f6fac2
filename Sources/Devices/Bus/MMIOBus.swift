import Synchronization

/// Takes a guest's accesses to memory that is not RAM to the devices that answer them.
///
/// Built once, before the vCPUs start, and the same from then on. An access belongs to a device only when all its
/// bytes do. What belongs to no device reads all ones, writes nothing, and is counted.
package final class MMIOBus: Sendable {
    /// A device and the guest-physical addresses it answers.
    package struct Registration: Sendable {
        package let addresses: ClosedRange<UInt64>
        package let device: any MMIODevice

        package init(_ device: any MMIODevice, at addresses: ClosedRange<UInt64>) {
            self.device = device
            self.addresses = addresses
        }
    }

    private let map: AddressMap<any MMIODevice>
    private let reads = Atomic<UInt64>(0)
    private let writes = Atomic<UInt64>(0)

    /// - Throws: `overlap`.
    package init(_ registrations: [Registration]) throws(BusError) {
        map = try AddressMap(
            registrations.map {
                .init(addresses: $0.addresses, base: $0.addresses.lowerBound, device: $0.device)
            }, blockShift: 12)
    }

    /// Reads of addresses that no device answers, since the machine was built.
    package var unknownReads: UInt64 { reads.load(ordering: .relaxed) }
    /// Writes to addresses that no device answers, since the machine was built.
    package var unknownWrites: UInt64 { writes.load(ordering: .relaxed) }

    /// Reads `width` bytes (1 to 8) at guest-physical `address`.
    package func read(address: UInt64, width: Int) -> UInt64 {
        if let value = map.withDevice(at: address, width: width, { $0.device.read(offset: $1, width: width) }) {
            return value
        }
        reads.wrappingAdd(1, ordering: .relaxed)
        return .max >> (64 - 8 * width)
    }

    /// Writes the low `width` bytes (1 to 8) of `value` at guest-physical `address`.
    package func write(address: UInt64, width: Int, value: UInt64) {
        let isKnown: Void? = map.withDevice(at: address, width: width) {
            $0.device.write(offset: $1, width: width, value: value)
        }
        if isKnown == nil { writes.wrappingAdd(1, ordering: .relaxed) }
    }
}
