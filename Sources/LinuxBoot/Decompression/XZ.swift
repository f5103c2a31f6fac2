import CCompression

// A kernel's dictionary is 32 or 128 MiB; only the part that is used takes memory.
private let decoderMemoryLimit: UInt64 = 256 << 20

/// Unpacks one .xz stream, with the filters it names (kernels use BCJ x86), to at most `size` bytes.
func decodeXZ(_ input: [UInt8], size: Int) throws(DecompressionError) -> [UInt8] {
    unsafe try decode(input, size: size) { stream in
        // SAFETY: `decode` hands in a zeroed stream and ends it.
        unsafe lzma_stream_decoder(stream, decoderMemoryLimit, 0)
    }
}

/// Unpacks an .lzma file, the older format with a 13-byte header, to at most `size` bytes.
func decodeLZMA(_ input: [UInt8], size: Int) throws(DecompressionError) -> [UInt8] {
    unsafe try decode(input, size: size) { stream in
        // SAFETY: `decode` hands in a zeroed stream and ends it.
        unsafe lzma_alone_decoder(stream, decoderMemoryLimit)
    }
}

private func decode(
    _ input: [UInt8], size: Int, start: (UnsafeMutablePointer<lzma_stream>) -> lzma_ret
) throws(DecompressionError) -> [UInt8] {
    var stream = unsafe lzma_stream()
    var result = unsafe start(&stream)
    // SAFETY: the stream was zeroed at first, so lzma_end is right whether the start succeeded or not.
    defer { unsafe lzma_end(&stream) }
    guard result == LZMA_OK else { throw .corrupt(name(of: result)) }

    let output = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        unsafe input.withUnsafeBufferPointer { source in
            // SAFETY: both pointers are used no longer than this closure.
            unsafe stream.next_in = source.baseAddress
            unsafe stream.avail_in = source.count
            unsafe stream.next_out = buffer.baseAddress
            unsafe stream.avail_out = size
            // Each call takes or gives something, or says LZMA_BUF_ERROR.
            repeat { result = unsafe lzma_code(&stream, LZMA_FINISH) } while result == LZMA_OK
            count = unsafe size - stream.avail_out
        }
    }
    switch result {
    case LZMA_STREAM_END: return output
    case LZMA_BUF_ERROR where output.count == size: throw .tooLong(stated: size)
    default: throw .corrupt(name(of: result))
    }
}

private func name(of result: lzma_ret) -> String {
    switch result {
    case LZMA_MEM_ERROR: "not enough host memory to unpack it"
    case LZMA_MEMLIMIT_ERROR: "its dictionary is larger than \(byteCount(decoderMemoryLimit))"
    case LZMA_FORMAT_ERROR: "the format is not recognized"
    case LZMA_OPTIONS_ERROR: "it uses unknown options"
    case LZMA_DATA_ERROR: "the data or its checksum is wrong"
    case LZMA_BUF_ERROR: "the data ends too early"
    default: "liblzma's error \(result.rawValue)"
    }
}
