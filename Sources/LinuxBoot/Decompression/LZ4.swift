import CCompression

/// Unpacks LZ4's legacy frames (LZ4 frame format description, "Legacy frame") to at most `size` bytes: after the
/// magic number, blocks of 8 MiB, each behind its packed size in 4 bytes.
func decodeLZ4(_ input: [UInt8], size: Int) throws(DecompressionError) -> [UInt8] {
    let magic: UInt32 = 0x184c_2102
    let blockSize = 8 << 20

    var problem: DecompressionError?
    let output = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        unsafe input.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress, let to = buffer.baseAddress else { return }
            var position = 0
            // The last bytes may be padding that is too short for a block.
            while let packed = input.field(UInt32.self, at: position) {
                position += 4
                // Frames may follow one another.
                if packed == magic { continue }
                guard Int(packed) <= input.count - position else {
                    problem = .corrupt("the data ends too early")
                    return
                }
                // SAFETY: `packed` bytes from `position` are in the input and the room that is stated is in
                // the output; LZ4_decompress_safe stays within both whatever the data.
                let unpacked = unsafe LZ4_decompress_safe(
                    UnsafeRawPointer(from + position).assumingMemoryBound(to: CChar.self),
                    UnsafeMutableRawPointer(to + count).assumingMemoryBound(to: CChar.self),
                    Int32(packed), Int32(min(blockSize, size - count)))
                guard unpacked >= 0 else {
                    problem = .corrupt("the data is wrong or longer than it says")
                    return
                }
                count += Int(unpacked)
                position += Int(packed)
            }
        }
    }
    if let problem { throw problem }
    return output
}
