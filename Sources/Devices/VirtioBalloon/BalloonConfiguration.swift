/// Features of memory balloons (virtio 1.2, section 5.5.3).
extension VirtioFeatures {
    static let balloonStatistics = VirtioFeatures(rawValue: 1 << 1)
    static let balloonDeflateOnOutOfMemory = VirtioFeatures(rawValue: 1 << 2)
    static let balloonPagePoison = VirtioFeatures(rawValue: 1 << 4)
    static let balloonPageReporting = VirtioFeatures(rawValue: 1 << 5)
}

/// Fields of `struct virtio_balloon_config` (5.5.4): offsets of 32 bits each. The third belongs to free page hints,
/// which this device does not offer.
enum BalloonField {
    /// Pages that the balloon is to have.
    static let target = 0
    /// Pages that it has: the driver's.
    static let actual = 4
    /// What the guest fills free pages with: the driver's.
    static let poison = 12
    static let end = 16
}

/// What a queue of a balloon is for.
enum BalloonQueueRole: Equatable {
    case inflate, deflate, statistics, reporting

    /// The role of queue `index`, below 5; nil where it has none.
    ///
    /// Queue 4 is for reports (5.5.2). A driver may also number its queues without gaps, as Linux's did for long, so
    /// every queue behind those of other roles takes reports.
    init?(queue index: Int, _ features: VirtioFeatures) {
        switch index {
        case 0: self = .inflate
        case 1: self = .deflate
        case 2 where features.contains(.balloonStatistics): self = .statistics
        default:
            guard features.contains(.balloonPageReporting) else { return nil }
            self = .reporting
        }
    }
}
