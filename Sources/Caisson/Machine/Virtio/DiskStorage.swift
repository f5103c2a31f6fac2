import Devices
import HostIO
import Virtio

/// A disk of the host's as a block device's storage.
final class DiskStorage: BlockStorage {
    let properties: BlockProperties
    private let image: DiskImage
    private let loop: EventLoop

    /// - Parameter loop: serves the block device.
    init(_ image: DiskImage, loop: EventLoop) {
        self.image = image
        self.loop = loop
        var properties = BlockProperties(byteCount: image.byteCount)
        properties.isReadOnly = image.isReadOnly
        properties.blockSize = image.blockSize
        properties.physicalBlockSize = image.physicalBlockSize
        properties.discardGranularity = image.physicalBlockSize
        self.properties = properties
    }

    func makeLane(depth: UInt16, completed: @escaping @Sendable () -> Void) -> any BlockLane {
        Lane(image.makeLane(depth: depth, loop: loop, completed: completed), of: image)
    }

    private final class Lane: BlockLane {
        private let lane: any DiskLane
        private let image: DiskImage

        init(_ lane: any DiskLane, of image: DiskImage) {
            self.lane = lane
            self.image = image
        }

        // SAFETY: here and in `write`, the device keeps the request, and so its buffers, until its operation has ended.
        func read(into buffers: GuestBuffers, at offset: UInt64, tag: UInt16) {
            unsafe lane.read(into: buffers.segments, byteCount: buffers.byteCount, at: offset, tag: tag)
        }

        func write(_ buffers: GuestBuffers, at offset: UInt64, isDurable: Bool, tag: UInt16) {
            unsafe lane.write(
                buffers.segments, byteCount: buffers.byteCount, at: offset, isDurable: isDurable, tag: tag)
        }

        func flush(tag: UInt16) { lane.flush(tag: tag) }

        func discard(at offset: UInt64, byteCount: UInt64, tag: UInt16) {
            lane.discard(at: offset, byteCount: byteCount, tag: tag)
        }

        func writeZeroes(at offset: UInt64, byteCount: UInt64, mayDiscard: Bool, isDurable: Bool, tag: UInt16) {
            lane.writeZeroes(
                at: offset, byteCount: byteCount, mayDiscard: mayDiscard, isDurable: isDurable, tag: tag)
        }

        func submit() { lane.submit() }

        func nextCompletion() -> BlockCompletion? {
            guard let (tag, failure) = lane.nextCompletion() else { return nil }
            if let failure { image.report(failure) }
            return BlockCompletion(tag: tag, isSuccess: failure == nil)
        }

        func wait() { lane.wait() }
    }
}
