/// Feature bits (virtio 1.2, sections 2.2 and 6): bit n of the raw value is feature n. Bits 0 to 23 and 50 upwards are
/// the device kind's own.
package struct VirtioFeatures: OptionSet, Codable, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// VIRTIO_F_INDIRECT_DESC.
    package static let indirectDescriptors = VirtioFeatures(rawValue: 1 << 28)
    /// VIRTIO_F_EVENT_IDX.
    package static let eventIndex = VirtioFeatures(rawValue: 1 << 29)
    /// VIRTIO_F_VERSION_1: a driver without it is none for this device.
    package static let version1 = VirtioFeatures(rawValue: 1 << 32)
    /// What every device offers, whatever its kind.
    package static let common: VirtioFeatures = [.indirectDescriptors, .eventIndex, .version1]
}
