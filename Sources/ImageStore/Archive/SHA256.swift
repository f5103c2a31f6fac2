import CNettle

/// Computes a SHA-256 (FIPS 180-4) of bytes as they come.
struct SHA256 {
    private var context = sha256_ctx()

    init() {
        // SAFETY: the library writes the whole context.
        unsafe nettle_sha256_init(&context)
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        // SAFETY: reads as many bytes as the buffer has.
        unsafe nettle_sha256_update(&context, bytes.count, base.assumingMemoryBound(to: UInt8.self))
    }

    /// The digest of some bytes.
    static func digest(of bytes: [UInt8]) -> ImageDigest {
        var hash = SHA256()
        // SAFETY: the bytes live through the call.
        unsafe bytes.withUnsafeBytes { unsafe hash.update($0) }
        return hash.digest()
    }

    /// The digest of all bytes until now.
    func digest() -> ImageDigest {
        var context = context
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            // SAFETY: the digest has 32 bytes.
            unsafe nettle_sha256_digest(&context, 32, buffer.baseAddress)
            count = 32
        }
        return ImageDigest(bytes: bytes)
    }
}
