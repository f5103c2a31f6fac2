/// Archives that Linux unpacks into its initial file system (cpio's "newc" format).
package enum Cpio {
    /// Executable files by their paths, in directories that are there.
    package static func archive(_ files: [String: [UInt8]]) -> [UInt8] {
        files.sorted { $0.key < $1.key }.flatMap { entry($0.key, $0.value, mode: 0o100755) }
            + entry("TRAILER!!!", [], mode: 0)
    }

    /// One file, whose content is at a page where the archive begins at `offset` in memory.
    package static func archive(_ name: String, _ content: [UInt8], atPageFrom offset: Int) -> [UInt8] {
        let padding = (4096 - (offset + headerSize + name.utf8.count + 1) % 4096) % 4096
        return entry(name + String(repeating: "\0", count: padding), content, mode: 0o100644)
            + entry("TRAILER!!!", [], mode: 0)
    }

    private static let headerSize = 110

    private static func entry(_ name: String, _ content: [UInt8], mode: Int) -> [UInt8] {
        // Inode, mode, user, group, links, time, size, two numbers of two devices, bytes of the name, checksum.
        let fields = [1, mode, 0, 0, 1, 0, content.count, 0, 0, 0, 0, name.utf8.count + 1, 0]
        let header = fields.map { field in
            let digits = String(field, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }
        return padded(Array(("070701" + header.joined() + name).utf8) + [0]) + padded(content)
    }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
    }
}
