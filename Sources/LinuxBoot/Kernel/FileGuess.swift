/// What a file that is no kernel looks like, for the error's sake.
enum FileGuess {
    private static let signatures: [(offset: Int, bytes: [UInt8], guess: String)] = [
        (0, [0x1f, 0x8b], "a gzip file: unpack it first"),
        (0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "an xz file: unpack it first"),
        (0, [0x28, 0xb5, 0x2f, 0xfd], "a zstd file: unpack it first"),
        (0, [0x04, 0x22, 0x4d, 0x18], "an lz4 file: unpack it first"),
        (0, [0x02, 0x21, 0x4c, 0x18], "an lz4 file: unpack it first"),
        (0, Array("BZh".utf8), "a bzip2 file: unpack it first"),
        (0, Array("070701".utf8), "a cpio archive: is it the initial ramdisk?"),
        (0, Array("070702".utf8), "a cpio archive: is it the initial ramdisk?"),
        (0x101, Array("ustar".utf8), "a tar archive"),
        (0, Array("hsqs".utf8), "a squashfs image: is it a disk?"),
        (0, Array("QFI".utf8) + [0xfb], "a qcow2 disk image"),
        (0x438, [0x53, 0xef], "an ext4 file system: is it a disk?"),
        (0x400, [0xe2, 0xe1, 0xf5, 0xe0], "an erofs image: is it a disk?"),
        (0x38, Array("ARM".utf8) + [0x64], "a kernel for ARM64"),
        (0x38, Array("RSC".utf8) + [0x05], "a kernel for RISC-V"),
        (0, [0x27, 0x05, 0x19, 0x56], "a U-Boot image"),
        (0, [0xd0, 0x0d, 0xfe, 0xed], "a device tree or U-Boot FIT image"),
        (0, Array("MZ".utf8), "an EFI or Windows program"),
        (0, Array("#!".utf8), "a script"),
        (0, Array("PK".utf8) + [0x03, 0x04], "a zip archive"),
        (0, Array("!<arch>".utf8), "a static library or Debian package"),
        (0x1fe, [0x55, 0xaa], "a disk image or boot sector"),
    ]

    /// - Parameter head: the file's first bytes, at least one.
    static func of(_ head: [UInt8]) -> String {
        for signature in signatures where head.has(signature.bytes, at: signature.offset) { return signature.guess }
        if head.allSatisfy({ $0 == 0 }) { return "it begins with zeros" }
        if isText(head) { return "a text file" }
        return "its format is unknown"
    }

    /// UTF-8 without control characters, but for a character that the head's end cuts.
    private static func isText(_ head: [UInt8]) -> Bool {
        let hasControls = head.contains { $0 < 0x20 && $0 != 0x09 && $0 != 0x0a && $0 != 0x0d || $0 == 0x7f }
        return !hasControls
            && (0...3).contains { cut in
                cut < head.count && String(validating: head.dropLast(cut), as: UTF8.self) != nil
            }
    }
}
