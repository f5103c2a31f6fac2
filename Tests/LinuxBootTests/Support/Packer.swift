import CCompression

@testable import LinuxBoot

/// Packs as the kernel's build does, the unpacked size in the last 4 bytes.
func pack(_ contents: [UInt8], by compression: Compression) -> [UInt8] {
    var packed: [UInt8]
    switch compression {
    // Its own format ends in the size.
    case .gzip: return gzip(contents)
    case .xz: packed = xz(contents)
    case .lzma: packed = lzma(contents)
    case .lz4: packed = lz4(contents)
    case .zstd: packed = zstd(contents)
    case .bzip2: packed = Array("BZh9".utf8) + contents
    case .lzo: packed = [0x89, 0x4c, 0x5a, 0x4f] + contents
    case .none: packed = contents
    }
    packed.append(field: UInt32(contents.count))
    return packed
}

private func gzip(_ contents: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    precondition(
        deflateInit2_(
            &stream, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
            == Z_OK)
    defer { deflateEnd(&stream) }
    let capacity = Int(deflateBound(&stream, UInt(contents.count)))
    return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        contents.withUnsafeBufferPointer { source in
            stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
            stream.avail_in = UInt32(source.count)
            stream.next_out = buffer.baseAddress
            stream.avail_out = UInt32(capacity)
            precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
            count = capacity - Int(stream.avail_out)
        }
    }
}

/// As scripts/xz_wrap.sh of Linux: CRC32, the x86 branch filter, LZMA2.
private func xz(_ contents: [UInt8]) -> [UInt8] {
    var options = lzma_options_lzma()
    precondition(lzma_lzma_preset(&options, 6) == 0)
    return withUnsafeMutablePointer(to: &options) { options in
        var filters = [
            lzma_filter(id: 0x04, options: nil),
            lzma_filter(id: 0x21, options: UnsafeMutableRawPointer(options)),
            lzma_filter(id: UInt64.max, options: nil),
        ]
        return encode(contents, capacity: contents.count + (64 << 10)) { stream in
            lzma_stream_encoder(stream, &filters, LZMA_CHECK_CRC32)
        }
    }
}

private func lzma(_ contents: [UInt8]) -> [UInt8] {
    var options = lzma_options_lzma()
    precondition(lzma_lzma_preset(&options, 6) == 0)
    return encode(contents, capacity: contents.count + (64 << 10)) { lzma_alone_encoder($0, &options) }
}

private func encode(
    _ contents: [UInt8], capacity: Int, start: (UnsafeMutablePointer<lzma_stream>) -> lzma_ret
) -> [UInt8] {
    var stream = lzma_stream()
    precondition(start(&stream) == LZMA_OK)
    defer { lzma_end(&stream) }
    return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        contents.withUnsafeBufferPointer { source in
            stream.next_in = source.baseAddress
            stream.avail_in = source.count
            stream.next_out = buffer.baseAddress
            stream.avail_out = capacity
            precondition(lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END)
            count = capacity - stream.avail_out
        }
    }
}

/// Blocks of 8 MiB, as `lz4 -l` makes them.
private func lz4(_ contents: [UInt8]) -> [UInt8] {
    var packed: [UInt8] = [0x02, 0x21, 0x4c, 0x18]
    for start in stride(from: 0, to: contents.count, by: 8 << 20) {
        let block = contents[start..<min(start + 8 << 20, contents.count)]
        let capacity = Int(LZ4_compressBound(Int32(block.count)))
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            block.withUnsafeBytes { source in
                count = Int(
                    LZ4_compress_default(
                        source.baseAddress?.assumingMemoryBound(to: CChar.self),
                        UnsafeMutableRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self),
                        Int32(source.count), Int32(capacity)))
            }
        }
        packed.append(field: UInt32(bytes.count))
        packed += bytes
    }
    return packed
}

private func zstd(_ contents: [UInt8]) -> [UInt8] {
    let capacity = ZSTD_compressBound(contents.count)
    return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        contents.withUnsafeBytes { source in
            count = ZSTD_compress(buffer.baseAddress, capacity, source.baseAddress, source.count, 3)
            precondition(ZSTD_isError(count) == 0)
        }
    }
}
