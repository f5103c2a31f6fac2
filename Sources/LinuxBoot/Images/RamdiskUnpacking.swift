import GuestMemory

extension BootLoader {
    /// Bytes that the decoders are given room for at most, whatever the machine's memory: no ramdisk is as large.
    static let unpackedRamdiskLimit: UInt64 = 1 << 30

    /// The ramdisks, unpacked where that is asked for and there is room.
    /// - Throws: `cannotRead`, `truncated`.
    func ramdisksForLinux(memory: GuestMemory) throws(BootError) -> [any BootImage] {
        guard unpacksRamdisks else { return ramdisks }
        var images: [any BootImage] = []
        let limit = min(memory.size / 4, Self.unpackedRamdiskLimit)
        for ramdisk in ramdisks { images += try ramdisk.unpackedRamdisk(limit: limit) ?? [ramdisk] }
        return images
    }
}

/// Initial ramdisks that the guest's kernel need not decompress.
extension BootImage {
    /// This ramdisk as images of which none is compressed: archives that are not, as processors' microcode is kept, and behind
    /// them one that is unpacked here. Nil where nothing is packed, where it is packed in another way, and where it would take more
    /// than `limit` bytes: such a ramdisk is for the kernel to make sense of.
    /// - Throws: `cannotRead`, `truncated`.
    func unpackedRamdisk(limit: UInt64) throws(BootError) -> [any BootImage]? {
        let part = "the initial ramdisk"
        guard size > 0, size <= limit, let start = try endOfArchives() else { return nil }
        let packed = try bytes(at: start, count: Int(size - start), part: part)
        guard let compression = Compression(of: packed), compression != .none,
            let room = Int(exactly: limit - start),
            let contents = try? compression.unpackAll(packed, limit: room), !contents.isEmpty
        else { return nil }
        let archive = ByteArrayBootImage(contents, name: name)
        guard start > 0 else { return [archive] }
        return [ByteArrayBootImage(try bytes(at: 0, count: Int(start), part: part), name: name), archive]
    }

    /// Where something begins that is neither an archive of cpio's "newc" format nor zeros between two; nil where nothing does.
    /// Documentation/driver-api/early-userspace/buffer-format.rst describes the fields.
    private func endOfArchives() throws(BootError) -> UInt64? {
        let part = "the initial ramdisk"
        let headerSize: UInt64 = 110
        var position: UInt64 = 0
        while position < size {
            let head = try bytes(at: position, count: Int(min(headerSize, size - position)), part: part)
            if let zeros = head.firstIndex(where: { $0 != 0 }), zeros > 0 {
                // Archives begin at multiples of 4; what is compressed begins where it likes.
                position += UInt64(zeros)
                continue
            }
            if head[0] == 0 {
                position += UInt64(head.count)
                continue
            }
            guard head.has(Array("070701".utf8)) || head.has(Array("070702".utf8)) else { return position }
            // Both are 32-bit numbers, so no sum of a few is too large.
            guard let fileSize = head.hexadecimal(at: 54), let nameSize = head.hexadecimal(at: 94),
                let data = (position + headerSize + nameSize).alignedUp(to: 4),
                let end = (data + fileSize).alignedUp(to: 4)
            else { return nil }
            position = end
        }
        return nil
    }
}

extension Array where Element == UInt8 {
    /// The number that the 8 hexadecimal digits at `offset` spell.
    fileprivate func hexadecimal(at offset: Int) -> UInt64? {
        guard offset + 8 <= count else { return nil }
        return UInt64(String(decoding: self[offset..<offset + 8], as: UTF8.self), radix: 16)
    }
}
