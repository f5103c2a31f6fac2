package import GuestMemory

/// An image in an array: an unpacked kernel, or what a test made up.
package struct ByteArrayBootImage: BootImage {
    package let contents: [UInt8]
    package let name: String

    package init(_ contents: [UInt8], name: String) {
        self.contents = contents
        self.name = name
    }

    package var size: UInt64 { UInt64(contents.count) }

    package func bytes(at offset: UInt64, count: Int, part: String) throws(BootError) -> [UInt8] {
        try check(offset, count: UInt64(count), part: part)
        guard count > 0 else { return [] }
        return Array(contents[Int(offset)..<Int(offset) + count])
    }

    package func copy(
        from offset: UInt64, count: UInt64, to address: GuestAddress, in memory: GuestMemory, part: String
    ) throws(BootError) {
        try check(offset, count: count, part: part)
        // A piece at a time: the copy that GuestMemory's interface asks for then stays in the cache.
        let piece: UInt64 = 256 << 10
        var done: UInt64 = 0
        while done < count {
            let start = Int(offset + done)
            let length = Int(min(piece, count - done))
            memory.place(Array(contents[start..<start + length]), at: address.rawValue + done)
            done += UInt64(length)
        }
    }
}
