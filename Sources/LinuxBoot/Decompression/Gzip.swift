import CCompression

/// Unpacks one gzip member (RFC 1952) to at most `size` bytes.
///
/// - Precondition: `input` and `size` are below 4 GiB.
func inflateGzip(_ input: [UInt8], size: Int) throws(DecompressionError) -> [UInt8] {
    // 16: a gzip header and trailer; 15: the largest window.
    let gzipWindow: Int32 = 16 + 15
    var stream = unsafe z_stream()
    // SAFETY: the stream is zeroed, as zlib asks; inflateEnd below gives back what this takes.
    let initialized = unsafe inflateInit2_(
        &stream, gzipWindow, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard initialized == Z_OK else { throw .corrupt("zlib does not start (\(initialized))") }
    defer { _ = unsafe inflateEnd(&stream) }

    var result = Z_OK
    let output = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        unsafe input.withUnsafeBufferPointer { source in
            // SAFETY: zlib reads `source` only, although the field's type does not say so, and both pointers are
            // used no longer than this closure.
            unsafe stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
            unsafe stream.avail_in = UInt32(source.count)
            unsafe stream.next_out = buffer.baseAddress
            unsafe stream.avail_out = UInt32(size)
            result = unsafe inflate(&stream, Z_FINISH)
            count = unsafe size - Int(stream.avail_out)
        }
    }
    switch result {
    case Z_STREAM_END: return output
    case Z_BUF_ERROR where output.count == size: throw .tooLong(stated: size)
    case Z_BUF_ERROR: throw .corrupt("the data ends too early")
    case Z_DATA_ERROR: throw .corrupt("the data or its checksum is wrong")
    default: throw .corrupt("zlib's error \(result)")
    }
}
