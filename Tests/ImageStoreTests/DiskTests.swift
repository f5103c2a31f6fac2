import Glibc
import TestSupport
import Testing

@testable import ImageStore

/// Bytes at some places of a disk, and zeroes elsewhere.
private struct SparseDisk: DiskContents {
    var parts: [(offset: UInt64, bytes: [UInt8])] = []

    func bytes(_ count: Int, at offset: UInt64) throws(ImageStoreError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        for part in parts {
            for (index, byte) in part.bytes.enumerated() {
                let place = part.offset + UInt64(index)
                if place >= offset, place - offset < UInt64(count) { result[Int(place - offset)] = byte }
            }
        }
        return result
    }

    mutating func put(_ bytes: [UInt8], at offset: UInt64) { parts.append((offset, bytes)) }

    mutating func putFileSystem(_ kind: FileSystemKind, at start: UInt64 = 0) {
        switch kind {
        case .erofs: put([0xe2, 0xe1, 0xf5, 0xe0], at: start + 1024)
        case .squashfs: put(Array("hsqs".utf8), at: start)
        case .ext4: put([0x53, 0xef], at: start + 1024 + 56)
        case .xfs: put(Array("XFSB".utf8), at: start)
        case .btrfs: put(Array("_BHRfS_M".utf8), at: start + 65536 + 64)
        case .f2fs: put([0x10, 0x20, 0xf5, 0xf2], at: start + 1024)
        case .vfat: put(Array("FAT32   ".utf8), at: start + 82)
        case .swap: put(Array("SWAPSPACE2".utf8), at: start + 4086)
        }
    }

    static func bytes(_ number: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }

    mutating func putMBR(_ partitions: [(type: UInt8, start: UInt64)]) {
        for (index, partition) in partitions.enumerated() {
            let entry = [0x80, 0, 0, 0, partition.type, 0, 0, 0] + Self.bytes(partition.start, 4) + Self.bytes(2048, 4)
            put(entry, at: UInt64(446 + 16 * index))
        }
        put([0x55, 0xaa], at: 510)
    }

    mutating func putGPT(_ partitions: [(type: [UInt8], start: UInt64)], sector: UInt64 = 512, entrySize: UInt64 = 128)
    {
        putMBR([(0xee, 1)])
        put(Array("EFI PART".utf8), at: sector)
        put(Self.bytes(2, 8) + Self.bytes(UInt64(partitions.count), 4) + Self.bytes(entrySize, 4), at: sector + 72)
        for (index, partition) in partitions.enumerated() {
            let offset = 2 * sector + UInt64(index) * entrySize
            put(partition.type, at: offset)
            put(Self.bytes(partition.start, 8), at: offset + 32)
        }
    }
}

@Suite struct DiskTests {
    let test = TestStore()

    private static let root: [UInt8] = [
        0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09,
    ]
    private static let data = [UInt8](repeating: 7, count: 16)

    @Test(arguments: [FileSystemKind.erofs, .squashfs, .ext4, .xfs, .btrfs, .f2fs])
    func aDiskThatIsAFileSystem(kind: FileSystemKind) throws {
        var disk = SparseDisk()
        disk.putFileSystem(kind)
        let layout = try DiskLayout(lookingAt: disk, name: "d")
        #expect(layout == DiskLayout(fileSystem: kind, partition: 0))
    }

    @Test func partitionsOfAnMBR() throws {
        var disk = SparseDisk()
        disk.putMBR([(0x0b, 2048), (0x82, 4096), (0x83, 8192)])
        disk.putFileSystem(.vfat, at: 2048 * 512)
        disk.putFileSystem(.swap, at: 4096 * 512)
        disk.putFileSystem(.xfs, at: 8192 * 512)
        #expect(try DiskLayout(lookingAt: disk, name: "d") == DiskLayout(fileSystem: .xfs, partition: 3))
    }

    @Test(arguments: [512, 4096] as [UInt64])
    func partitionsOfAGUIDTable(sector: UInt64) throws {
        var disk = SparseDisk()
        disk.putGPT(
            [(Self.data, 100), ([UInt8](repeating: 0, count: 16), 150), (Self.data, 200), (Self.root, 300)],
            sector: sector,
            entrySize: 256)
        disk.putFileSystem(.vfat, at: 100 * sector)
        disk.putFileSystem(.ext4, at: 150 * sector)
        disk.putFileSystem(.ext4, at: 200 * sector)
        #expect(try DiskLayout(lookingAt: disk, name: "d") == DiskLayout(fileSystem: .ext4, partition: 3))
        // One that says it is the root is, though another comes before.
        disk.putFileSystem(.btrfs, at: 300 * sector)
        #expect(try DiskLayout(lookingAt: disk, name: "d") == DiskLayout(fileSystem: .btrfs, partition: 4))
    }

    @Test func disksWithoutARoot() throws {
        #expect(try DiskLayout(lookingAt: SparseDisk(), name: "d") == nil)
        var disk = SparseDisk()
        disk.putMBR([(0x0b, 2048)])
        disk.putFileSystem(.vfat, at: 2048 * 512)
        #expect(throws: ImageStoreError.self) { try DiskLayout(lookingAt: disk, name: "d") }
    }

    /// Tables with any numbers in them: an answer or an error.
    @Test func tablesWithAnyNumbers() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            var disk = SparseDisk()
            let telling: [UInt64] = [0, 1, 127, 128, 4096, 4097, 1 << 31, .max >> 1, .max]
            disk.putGPT([(Self.data, 100), (Self.root, 200)])
            for offset in [72, 80, 84] as [UInt64] {
                let value = telling.randomElement(using: &random) ?? 0
                disk.put(SparseDisk.bytes(value, offset == 72 ? 8 : 4), at: 512 + offset)
            }
            disk.put(SparseDisk.bytes(telling.randomElement(using: &random) ?? 0, 8), at: 1024 + 32)
            _ = try? DiskLayout(lookingAt: disk, name: "d")
        }
    }

    // MARK: Files

    /// A small ext4 with a file in it, at the beginning of a file or in a partition.
    private func makeDisk(at start: Int) throws -> String {
        let path = "\(test.folder.path)/disk.img"
        let made = Child.run(
            "/bin/sh",
            [
                "-ec",
                """
                truncate -s \(start + (4 << 20)) '\(path)'
                mke2fs -q -F -E offset=\(start) '\(path)' 4M
                """,
            ], environment: ["PATH": "/usr/sbin:/sbin:/usr/bin:/bin"])
        try #require(made.status == 0, "\(made.errors)")
        return path
    }

    @Test func aRawDiskIsKeptAsItIs() throws {
        let path = try makeDisk(at: 0)
        let record = try test.store.importImage(ImageName("image"), from: path)
        #expect((record.fileSystem, record.partition, record.size) == (.ext4, 0, 4 << 20))
        #expect(fileBytes(try test.store.image(named: "image").rootPath) == fileBytes(path))
        #expect(record.digest == SHA256.digest(of: fileBytes(path)))
    }

    @Test func aPartitionedDiskAndItsQcow2() throws {
        let path = try makeDisk(at: 1 << 20)
        var mbr = SparseDisk()
        mbr.putMBR([(0x83, 2048)])
        let file = Descriptor.opening(path, O_WRONLY)
        for part in mbr.parts {
            #expect(pwrite(file.raw, part.bytes, part.bytes.count, off_t(part.offset)) == part.bytes.count)
        }
        let record = try test.store.importImage(ImageName("image"), from: path)
        #expect((record.fileSystem, record.partition) == (.ext4, 1))

        let packed = "\(test.folder.path)/disk.qcow2"
        let convert = Child.run("/usr/bin/qemu-img", ["convert", "-O", "qcow2", path, packed])
        try #require(convert.status == 0, "\(convert.errors)")
        setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 0)
        let other = try test.store.importImage(ImageName("other"), from: packed)
        #expect(other.digest == record.digest)
        #expect((other.fileSystem, other.partition) == (.ext4, 1))
        // One that leans on another file is refused.
        let leaning = "\(test.folder.path)/leaning.qcow2"
        let made = Child.run(
            "/usr/bin/qemu-img", ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", packed, leaning])
        try #require(made.status == 0, "\(made.errors)")
        #expect(
            test.complaint { _ = try test.store.importImage(ImageName("leaning"), from: leaning) }?
                .contains("in another file too") == true)
        // So is a damaged one.
        let damaged = test.folder.file("damaged.qcow2", Array(fileBytes(packed).prefix(70_000)))
        #expect(test.complaint { _ = try test.store.importImage(ImageName("damaged"), from: damaged) } != nil)
        #expect(test.litter.count == 3)
    }

    @Test func aDiskThatAMachineWritesToIsRefused() throws {
        let path = try makeDisk(at: 0)
        let file = Descriptor.opening(path, O_RDWR)
        var lock = flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
        // F_OFD_SETLK, which is Linux's own.
        try #require(fcntl(file.raw, 37, &lock) == 0)
        #expect(
            test.complaint { _ = try test.store.importImage(ImageName("image"), from: path) }?.contains("locked")
                == true)
        #expect(test.litter == [])
    }
}
