/// Features of block devices (virtio 1.2, section 5.2.3).
extension VirtioFeatures {
    static let blockSegmentLimit = VirtioFeatures(rawValue: 1 << 2)
    static let blockReadOnly = VirtioFeatures(rawValue: 1 << 5)
    static let blockSize = VirtioFeatures(rawValue: 1 << 6)
    static let blockFlush = VirtioFeatures(rawValue: 1 << 9)
    static let blockTopology = VirtioFeatures(rawValue: 1 << 10)
    static let blockMultipleQueues = VirtioFeatures(rawValue: 1 << 12)
    static let blockDiscard = VirtioFeatures(rawValue: 1 << 13)
    static let blockWriteZeroes = VirtioFeatures(rawValue: 1 << 14)
}

extension BlockProperties {
    /// What a device over this storage offers.
    func features(queueCount: Int) -> VirtioFeatures {
        var features: VirtioFeatures = [.blockSegmentLimit, .blockSize, .blockFlush, .blockTopology]
        if queueCount > 1 { features.insert(.blockMultipleQueues) }
        if isReadOnly {
            features.insert(.blockReadOnly)
        } else {
            features.insert(.blockWriteZeroes)
            if canDiscard { features.insert(.blockDiscard) }
        }
        return features
    }

    /// `struct virtio_blk_config` (5.2.4).
    func configuration(queueCount: Int, queueSize: UInt16) -> VirtioConfigurationSpace {
        let space = VirtioConfigurationSpace([UInt8](repeating: 0, count: 60))
        space.store(byteCount / Self.sectorSize, at: 0)
        // Header and status take a descriptor each.
        space.store(UInt32(queueSize) - 2, at: 12)
        space.store(blockSize, at: 20)
        space.store(UInt8((physicalBlockSize / blockSize).trailingZeroBitCount), at: 24)
        space.store(UInt16(physicalBlockSize / blockSize), at: 26)
        space.store(UInt16(queueCount), at: 34)
        if canDiscard {
            space.store(UInt32(Self.discardLimit / Self.sectorSize), at: 36)
            space.store(1 as UInt32, at: 40)
            space.store(discardGranularity / UInt32(Self.sectorSize), at: 44)
        }
        space.store(UInt32(Self.writeZeroesLimit / Self.sectorSize), at: 48)
        space.store(1 as UInt32, at: 52)
        space.store((canDiscard ? 1 : 0) as UInt8, at: 56)
        return space
    }
}
