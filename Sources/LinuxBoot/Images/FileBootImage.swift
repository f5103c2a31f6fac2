import CLinux
package import GuestMemory

/// An image in an open regular file. The descriptor is borrowed: whoever opened it closes it, after the loading.
package struct FileBootImage: BootImage {
    package let descriptor: Int32
    package let size: UInt64
    package let name: String

    /// - Parameters:
    ///   - descriptor: open for reading, seekable.
    ///   - size: the file's size in bytes. A file that shrinks later gives `truncated`.
    package init(descriptor: Int32, size: UInt64, name: String) {
        self.descriptor = descriptor
        self.size = size
        self.name = name
    }

    package func bytes(at offset: UInt64, count: Int, part: String) throws(BootError) -> [UInt8] {
        try check(offset, count: UInt64(count), part: part)
        guard count > 0 else { return [] }
        guard let position = Int64(exactly: offset) else {
            throw error(.truncated(part: part, missing: UInt64(count)))
        }
        var failure: BootError.Problem?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            guard let start = UnsafeMutableRawPointer(buffer.baseAddress) else { return }
            while done < count {
                // SAFETY: the buffer holds `count` bytes, and `done` is below that.
                let result = unsafe caisson_pread(
                    descriptor, start.advanced(by: done), count - done, position &+ Int64(done))
                if result == -Int64(EINTR) { continue }
                if result < 0 { failure = .cannotRead(errno: Int32(-result)) }
                if result == 0 { failure = .truncated(part: part, missing: UInt64(count - done)) }
                if result <= 0 { return }
                done += Int(result)
            }
        }
        if let failure { throw error(failure) }
        return bytes
    }

    package func copy(
        from offset: UInt64, count: UInt64, to address: GuestAddress, in memory: GuestMemory, part: String
    ) throws(BootError) {
        try check(offset, count: count, part: part)
        do {
            try memory.read(descriptor: descriptor, offset: offset, count: count, to: address)
        } catch {
            switch error {
            case .cannotRead(let errno): throw self.error(.cannotRead(errno: errno))
            case .endOfFile(let missing): throw self.error(.truncated(part: part, missing: missing))
            case .notInRAM, .misaligned, .invalidSize, .notWholePages, .cannotMap, .noHugePages, .cannotBack:
                preconditionFailure("the loader checks that \(part) is loaded into RAM: \(error)")
            }
        }
    }
}
