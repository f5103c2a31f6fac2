import GuestMemory

/// bzImages: the kernel's ELF file is unpacked here and started at once, so that the guest runs no decompressor.
extension KernelPlan {
    /// No kernel is as large as this, packed or not.
    private static let payloadLimit: UInt64 = 1 << 30
    /// The payload's last 4 bytes are its unpacked size.
    private static let sizeFieldLength = 4
    private static let longestVersion = 256

    /// - Parameter head: the file's first 8 KiB.
    /// - Throws: what `SetupHeader` and `elf` throw; `payloadTooLarge`, `kernelTooLarge`, `unsupportedCompression`,
    ///   `corruptPayload`.
    static func bzImage(
        _ image: any BootImage, head: [UInt8], wanted: BootProtocol?, memory: GuestMemory
    ) throws(BootError) -> KernelPlan {
        let header = try SetupHeader(of: image, head: head)
        let (compression, contents) = try unpack(image, header, memory: memory)
        let unpacked = ByteArrayBootImage(contents, name: image.name)
        guard contents.has(ELFHeader.magic) else {
            throw image.error(
                .corruptPayload(compression: compression.rawValue, reason: "what it unpacks to is not an ELF file"))
        }
        // A kernel that is not linked for its load address has its relocations behind the ELF file. It is loaded
        // where it is linked, so they are not needed.
        let plan = try elf(unpacked, wanted: wanted, multiboot: nil, isLinux: true)
        return KernelPlan(
            format: .bzImage(compression: compression.rawValue), bootProtocol: plan.bootProtocol, source: unpacked,
            segments: plan.segments, entry: plan.entry, isLinux: true, setupHeader: header,
            kernelVersion: version(image, header))
    }

    private static func unpack(
        _ image: any BootImage, _ header: SetupHeader, memory: GuestMemory
    ) throws(BootError) -> (Compression, [UInt8]) {
        guard header.payloadSize <= payloadLimit else {
            throw image.error(.payloadTooLarge(size: header.payloadSize, limit: payloadLimit))
        }
        var payload = try image.bytes(
            at: header.payloadOffset, count: Int(header.payloadSize), part: "the compressed kernel")
        guard let size = payload.field(UInt32.self, at: payload.count - sizeFieldLength) else {
            throw image.error(
                .invalidField(name: "payload_length", value: header.payloadSize, expected: "at least 4"))
        }
        guard let compression = Compression(of: payload) else {
            throw image.error(.unsupportedCompression("an unknown format"))
        }
        guard UInt64(size) <= payloadLimit else {
            throw image.error(.payloadTooLarge(size: UInt64(size), limit: payloadLimit))
        }
        guard UInt64(size) <= memory.lowEnd else {
            let end = header.kernelEnd.flatMap { $0 <= GuestMemory.holeStart.rawValue ? $0 : nil }
            throw image.error(.kernelTooLarge(end: max(end ?? 0, UInt64(size)), memory: memory.size))
        }
        // Part of a gzip file, behind all other formats.
        if compression != .gzip { payload.removeLast(sizeFieldLength) }
        do {
            return (compression, try compression.unpack(payload, size: Int(size)))
        } catch .unsupported {
            throw image.error(.unsupportedCompression(compression.rawValue))
        } catch {
            throw image.error(.corruptPayload(compression: compression.rawValue, reason: "\(error)"))
        }
    }

    /// The NUL-terminated text that begins with the kernel's release, for people only: nil where there is none.
    private static func version(_ image: any BootImage, _ header: SetupHeader) -> String? {
        guard let offset = header.versionOffset, UInt64(offset) < image.size else { return nil }
        let count = min(longestVersion, Int(image.size) - offset)
        guard let bytes = try? image.bytes(at: UInt64(offset), count: count, part: "the version") else { return nil }
        let text = bytes.prefix { $0 >= 0x20 && $0 < 0x7f }
        return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }
}
