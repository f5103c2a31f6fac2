import CLinux
import HostResources

/// What the kernel counts of a vCPU, since it was made (`KVM_CAP_BINARY_STATS_FD`). Any thread reads it at any time, and the
/// vCPU goes on.
package final class KernelCounters: Sendable {
    package struct Values: Equatable, Sendable {
        /// All exits of the guest, also those that the kernel deals with by itself.
        package var exits: UInt64 = 0
        package var halts: UInt64 = 0
        /// Halts that ended because of an interrupt.
        package var wakeUps: UInt64 = 0
        /// Interrupts given to the guest.
        package var interrupts: UInt64 = 0
        /// Instructions that the kernel emulated.
        package var emulations: UInt64 = 0

        package init() {}

        package static func + (left: Values, right: Values) -> Values { combine(left, right, &+) }

        package static func combine(
            _ left: Values, _ right: Values, _ operation: (UInt64, UInt64) -> UInt64
        ) -> Values {
            var result = Values()
            for (_, field) in fields { result[keyPath: field] = operation(left[keyPath: field], right[keyPath: field]) }
            return result
        }

        /// By the kernel's names.
        static var fields: [(name: String, path: WritableKeyPath<Values, UInt64>)] {
            [
                ("exits", \.exits), ("halt_exits", \.halts), ("halt_wakeup", \.wakeUps),
                ("irq_injections", \.interrupts), ("insn_emulation", \.emulations),
            ]
        }
    }

    private let descriptor: OwnedFileDescriptor
    /// Where the fields' numbers are in the file; nil where the kernel has none of the name.
    private let offsets: [Int64?]

    /// - Parameter descriptor: from `KVM_GET_STATS_FD`. Nil where it does not say what it should.
    init?(_ descriptor: consuming OwnedFileDescriptor) {
        guard let header = Self.read(descriptor.rawValue, 24, at: 0) else { return nil }
        // flags, size of a name, number of descriptions, then offsets of the id, descriptions and data.
        let words = (0..<6).map { Self.number(header, at: $0 * 4, bytes: 4) }
        let (nameSize, count, start, data) = (words[1], words[2], words[4], words[5])
        guard (1...4096).contains(nameSize), (1...65536).contains(count) else { return nil }
        // Flags of 4 bytes, exponent and size of 2 each, offset and bucket size of 4 each, then the name.
        let size = 16 + Int(nameSize)
        guard let table = Self.read(descriptor.rawValue, size * Int(count), at: Int64(start)) else { return nil }
        var places: [String: Int64] = [:]
        for index in 0..<Int(count) {
            let name = table[(index * size + 16)..<(index + 1) * size].prefix { $0 != 0 }
            places[String(decoding: name, as: UTF8.self)] =
                Int64(data) + Int64(Self.number(table, at: index * size + 8, bytes: 4))
        }
        offsets = Values.fields.map { places[$0.name] }
        self.descriptor = descriptor
    }

    /// Now.
    package var values: Values {
        var values = Values()
        for ((_, field), offset) in zip(Values.fields, offsets) {
            guard let offset, let bytes = Self.read(descriptor.rawValue, 8, at: offset) else { continue }
            values[keyPath: field] = Self.number(bytes, at: 0, bytes: 8)
        }
        return values
    }

    private static func read(_ descriptor: Int32, _ count: Int, at offset: Int64) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            // SAFETY: the buffer has room for as many bytes as are asked for.
            unsafe caisson_pread(descriptor, buffer.baseAddress, buffer.count, offset)
        }
        return result == count ? bytes : nil
    }

    private static func number(_ bytes: [UInt8], at offset: Int, bytes count: Int) -> UInt64 {
        bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension VCPU {
    /// What the kernel counts of this vCPU; nil where it counts nothing.
    package var kernelCounters: KernelCounters? {
        let raw = caisson_ioctl_value(descriptor.rawValue, CAISSON_KVM_GET_STATS_FD.number, 0)
        return raw >= 0 ? KernelCounters(OwnedFileDescriptor(owning: raw)) : nil
    }
}
