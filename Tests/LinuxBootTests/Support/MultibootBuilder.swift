@testable import LinuxBoot

/// The bytes of a multiboot header.
func multibootHeader(flags: UInt32 = 0, addresses: [UInt32] = []) -> [UInt8] {
    let magic: UInt32 = 0x1bad_b002
    var bytes: [UInt8] = []
    for field in [magic, flags, 0 &- magic &- flags] + addresses { bytes.append(field: field) }
    return bytes
}

/// A raw image that its header places at 2 MiB: 64 bytes, the header, then code.
func multibootImage(
    load: UInt32 = 0x20_0000, loadEnd: UInt32 = 0, bssEnd: UInt32 = 0x20_4000, entry: UInt32 = 0x20_0060,
    flags: UInt32 = 1 << 16
) -> ByteArrayBootImage {
    let header = multibootHeader(flags: flags, addresses: [load &+ 64, load, loadEnd, bssEnd, entry])
    return ByteArrayBootImage(pattern(64) + header + pattern(1000, seed: 5), name: "hobby.bin")
}
