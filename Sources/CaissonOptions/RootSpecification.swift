import Caisson
import HostIO
import SystemPackage

/// A root file system as the user writes it: `FILE[,fs=TYPE][,partition=NUMBER]`. A comma in the path is written twice.
struct RootSpecification: Equatable {
    var path: String
    /// Nil: the one that is there.
    var type: String?
    var partition: Int?

    /// - Throws: `usage`.
    init(_ text: String) throws(CommandError) {
        func refuse(_ why: String) -> CommandError { .usage("--root '\(text)' is no root file system: \(why)") }
        var words = CommaWords.split(text)
        path = words.removeFirst()
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw refuse("it begins with the path of a file that holds one, as mkfs.erofs makes it")
        }
        for word in words {
            if word.hasPrefix("fs="), type == nil {
                let value = String(word.dropFirst(3))
                guard GuestRootFileSystem.isType(value) else { throw refuse("'\(value)' is no type, as in fs=erofs") }
                type = value
            } else if word.hasPrefix("partition="), partition == nil {
                let value = Int(word.dropFirst(10))
                guard let value, GuestRootFileSystem.partitions.contains(value) else {
                    throw refuse("partitions are numbered from 1 to \(GuestRootFileSystem.partitions.upperBound)")
                }
                partition = value
            } else {
                throw refuse("'\(word)' is not known: use fs=TYPE and partition=NUMBER, each once at most")
            }
        }
        guard partition == nil || type != nil else {
            throw refuse("the type on a partition has to be said, as in fs=ext4")
        }
    }

    /// The machine's first disk.
    var disk: DiskSpecification {
        var disk = DiskSpecification(.file(path: path))
        disk.isReadOnly = true
        return disk
    }

    /// What the guest is to make of it.
    /// - Throws: `failure` where the file cannot be read, or its type cannot be told.
    func fileSystem() throws(CommandError) -> GuestRootFileSystem {
        let bytes: [UInt8]
        do throws(HostError) { bytes = try HostFile.beginning(of: path, 2048) } catch {
            if error.errno == .isDirectory {
                throw .failure(
                    "the root file system \(path) is a directory: `caisson image import NAME \(path)` makes an image of it"
                )
            }
            throw .failure("the root file system \(path): \(GuestFiles.problem(error.errno))")
        }
        guard let type = type ?? Self.type(of: bytes) else {
            throw .failure(
                "the root file system \(path) is neither erofs, squashfs nor ext4: say its type by ,fs=TYPE")
        }
        var root = GuestRootFileSystem(type: type)
        root.partition = partition
        return root
    }

    /// The type of a file system that begins with `bytes`, by its magic number. It is the guest that reads more of it, and it
    /// reads only.
    static func type(of bytes: [UInt8]) -> String? {
        func holds(_ magic: [UInt8], at place: Int) -> Bool {
            bytes.count >= place + magic.count && Array(bytes[place..<place + magic.count]) == magic
        }
        if holds(Array("hsqs".utf8), at: 0) { return "squashfs" }
        if holds([0xe2, 0xe1, 0xf5, 0xe0], at: 1024) { return "erofs" }
        if holds([0x53, 0xef], at: 1080) { return "ext4" }
        return nil
    }
}
