/// The device status field (virtio 1.2, section 2.1).
package struct VirtioStatus: OptionSet, Codable, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let acknowledge = VirtioStatus(rawValue: 1)
    package static let driver = VirtioStatus(rawValue: 2)
    package static let driverOK = VirtioStatus(rawValue: 4)
    package static let featuresOK = VirtioStatus(rawValue: 8)
    /// The device's own bit: it cannot go on without a reset.
    package static let needsReset = VirtioStatus(rawValue: 0x40)
    package static let failed = VirtioStatus(rawValue: 0x80)
    /// What a driver may set.
    package static let drivers: VirtioStatus = [.acknowledge, .driver, .featuresOK, .driverOK, .failed]
}
