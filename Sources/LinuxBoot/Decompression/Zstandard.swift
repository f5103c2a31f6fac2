import CCompression

/// Unpacks Zstandard frames (RFC 8878) to at most `size` bytes. In one go, so the window is the output itself and a
/// large one that the frame asks for takes no memory.
func decodeZstandard(_ input: [UInt8], size: Int) throws(DecompressionError) -> [UInt8] {
    var result = 0
    let output = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        unsafe input.withUnsafeBytes { source in
            // SAFETY: both sizes are those of the buffers; ZSTD_decompress stays within them whatever the data.
            result = unsafe ZSTD_decompress(buffer.baseAddress, size, source.baseAddress, source.count)
        }
        count = ZSTD_isError(result) == 0 ? result : 0
    }
    guard ZSTD_isError(result) == 0 else {
        // SAFETY: a NUL-terminated constant of the library's.
        throw .corrupt(unsafe String(cString: ZSTD_getErrorName(result)))
    }
    return output
}
