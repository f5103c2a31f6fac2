import Virtio

/// What a guest tells of its memory (virtio 1.2, section 5.5.6.4). It may tell anything, and leave anything out.
package struct BalloonStatistics: Equatable, Sendable {
    package enum Tag: UInt16, CaseIterable, Sendable {
        /// Bytes swapped in and out.
        case swapIn, swapOut
        /// Page faults that waited for a disk, and that did not.
        case majorFaults, minorFaults
        /// Bytes that nobody uses, that the guest has, that can be had without swapping, and of file caches.
        case free, total, available, caches
        /// Huge pages that were asked for and given, or refused.
        case hugePagesGiven, hugePagesRefused
    }

    /// `struct virtio_balloon_stat`: a tag and a value, packed.
    private static let entrySize: UInt64 = 10
    /// Entries that are looked at; later kernels have more tags.
    private static let limit: UInt64 = 64

    private var values: [Tag: UInt64] = [:]

    init() {}

    init(_ request: borrowing VirtqueueRequest) {
        for entry in 0..<min(request.readableBytes / Self.entrySize, Self.limit) {
            let offset = entry * Self.entrySize
            if let tag = request.load(UInt16.self, at: offset).flatMap(Tag.init(rawValue:)),
                let value = request.load(UInt64.self, at: offset + 2)
            {
                values[tag] = value
            }
        }
    }

    package subscript(tag: Tag) -> UInt64? { values[tag] }
}
