import Synchronization

/// A device's configuration space (virtio 1.2, section 2.5): little-endian fields, and a generation that changes with
/// them, so that a driver notices what changed between two of its reads.
///
/// The device and vCPU threads use it at once.
package final class VirtioConfigurationSpace: Sendable {
    private struct Contents {
        var bytes: [UInt8]
        var generation: UInt32 = 0
    }

    private let contents: Mutex<Contents>

    /// - Parameter bytes: the fields' first values. The space keeps its size.
    package init(_ bytes: [UInt8] = []) { contents = Mutex(Contents(bytes: bytes)) }

    /// Changes whenever a field does.
    package var generation: UInt32 { contents.withLock { $0.generation } }

    /// The fields, for saving.
    package var bytes: [UInt8] { contents.withLock { $0.bytes } }

    /// What a driver reads: `width` bytes (1 to 8) at `offset`. There are zeros behind the end.
    package func read(offset: UInt64, width: Int) -> UInt64 {
        contents.withLock { contents in
            guard offset < contents.bytes.count else { return 0 }
            let first = Int(offset)
            var value: UInt64 = 0
            for index in first..<min(first + width, contents.bytes.count) {
                value |= UInt64(contents.bytes[index]) << UInt64(8 * (index - first))
            }
            return value
        }
    }

    /// The device changes one field. It calls `VirtioNotifier.configurationChanged()` when all are changed.
    package func store<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value, at offset: Int) {
        contents.withLock { contents in
            precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= contents.bytes.count)
            for index in 0..<MemoryLayout<Value>.size {
                contents.bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Value(8 * index))
            }
            contents.generation &+= 1
        }
    }
}
