import CLinux
import HostIO
import SystemPackage

/// A file with an ext4 file system for what a guest writes over a root file system, which stays.
package enum KeptLayer {
    private static let superblock: UInt64 = 1024
    private static let magic = (offset: 56, bytes: [UInt8]([0x53, 0xef]))
    private static let label = (offset: 120, count: 16)

    /// Makes one where there is no file; otherwise sees that it is one.
    /// - Parameters:
    ///   - size: of the file system, in bytes; the file takes what is in it.
    ///   - owner: what it belongs to: it makes no sense over another root file system.
    package static func prepare(_ path: String, size: UInt64, for owner: Owner) throws(ImageStoreError) {
        if HostFile.exists(path) {
            try check(path, owner)
        } else {
            try make(path, size: size, owner)
        }
    }

    /// The root file system that a layer goes over.
    package struct Owner {
        /// What people call it.
        var name: String
        var label: String

        /// A file, of which nothing else is known.
        package init(file: String) {
            name = file
            label = "caisson"
        }

        package init(_ image: StoredImage) {
            name = "this \(image.name)"
            label = String(image.digest.hexadecimal.prefix(KeptLayer.label.count))
        }
    }

    private static func make(_ path: String, size: UInt64, _ owner: Owner) throws(ImageStoreError) {
        let directory = FilePath(path).removingLastComponent().string
        let folder = directory.isEmpty ? "." : directory
        let file = try UnnamedFile(in: folder)
        try file.setSize(size)
        let output = try UnnamedFile(in: folder)
        // Another process's path to it.
        let program = try HostProgram(
            // Not every user's PATH has it.
            HostFile.program("mkfs.ext4") ?? "mkfs.ext4",
            [
                "-q", "-F", "-L", owner.label, "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1",
                "/proc/\(getpid())/fd/\(file.descriptor)",
            ], package: "e2fsprogs", output: output.descriptor, messagesIn: folder)
        try program.finish()
        try file.synchronize()
        // Another process was faster.
        guard try file.setName(path) else { return try check(path, owner) }
        try HostFolder.synchronize(folder)
    }

    private static func check(_ path: String, _ owner: Owner) throws(ImageStoreError) {
        let bytes: [UInt8]
        do throws(HostError) {
            bytes = try HostFile.beginning(of: path, Int(superblock) + 1024)
        } catch { throw .host(error) }
        guard bytes.count == Int(superblock) + 1024,
            bytes[(Int(superblock) + magic.offset)...].starts(with: magic.bytes)
        else { throw .source(path, problem: "it is no layer that --keep made: name a file that is not there yet") }
        let label = bytes[(Int(superblock) + label.offset)...].prefix(label.count).prefix { $0 != 0 }
        guard label.elementsEqual(owner.label.utf8) else {
            throw .source(
                path,
                problem:
                    "it was written over another root file system than \(owner.name): use it with that, or name another file"
            )
        }
    }
}
