import TestSupport
import Testing

@testable import ImageStore

/// Archives, as the images that come of them show them.
@Suite struct TarReaderTests {
    let test = TestStore()

    @Test func filesOfEveryKindKeepAllThatTheyHave() throws {
        var archive = TarArchive()
        archive.add(Array("./".utf8), .directory, mode: 0o711, user: 7, modified: 99)
        archive.add(Array("d/".utf8), .directory, mode: 0o1777, user: 1, group: 2, modified: 1_000_000_000)
        archive.add(
            Array("d/f".utf8), data: Array("hello".utf8), mode: 0o4755, user: 2_000_000, group: 3,
            extended: [
                ("mtime", Array("12.5".utf8)), ("SCHILY.xattr.user.x", Array("a\nb=c\u{0}d".utf8)),
                ("SCHILY.xattr.security.capability", [1, 0, 0, 2, 0xff, 0]),
            ])
        archive.add("d/hard", .hardLink, target: "d/f")
        archive.add("d/soft", .symbolicLink, target: "../elsewhere/f")
        archive.add(Array("null".utf8), .characterDevice, mode: 0o666, device: (1, 3))
        archive.add(Array("disk".utf8), .blockDevice, mode: 0o660, device: (259, 300))
        archive.add("pipe", .fifo)
        try test.importArchive(archive.ended)

        let files = try test.files()
        #expect(files.paths == ["", "d", "d/f", "d/hard", "d/soft", "disk", "null", "pipe"])
        let root = try #require(files[""])
        #expect((root.mode, root.user, root.seconds, root.linkCount) == (0o40711, 7, 99, 3))
        let directory = try #require(files["d"])
        #expect((directory.mode, directory.user, directory.group) == (0o41777, 1, 2))
        #expect((directory.seconds, directory.linkCount) == (1_000_000_000, 2))
        let file = try #require(files["d/f"])
        #expect(file.data == Array("hello".utf8))
        #expect((file.mode, file.user, file.group, file.linkCount) == (0o104755, 2_000_000, 3, 2))
        #expect((file.seconds, file.nanoseconds) == (12, 500_000_000))
        #expect(
            file.attributes == [
                Array("user.x".utf8): Array("a\nb=c\u{0}d".utf8),
                Array("security.capability".utf8): [1, 0, 0, 2, 0xff, 0],
            ])
        #expect(files["d/hard"] == file)
        #expect(files["d/soft"]?.data == Array("../elsewhere/f".utf8))
        #expect(files["null"]?.mode == 0o20666)
        #expect(files["null"]?.device == 0x103)
        let disk: UInt32 = 259 << 8 | 300 & 0xff | (300 & ~0xff) << 12
        #expect(files["disk"]?.device == disk)
        #expect(files["pipe"]?.mode == 0o10644)
    }

    /// Short and long names, in headers and in pax records, which are no UTF-8, and which hold all that a name can.
    @Test(arguments: [1, 99, 100, 101, 155, 255])
    func namesHaveAnyBytes(length: Int) throws {
        let any: [UInt8] = (UInt8(1)...255).filter { $0 != UInt8(ascii: "/") }
        var names: [[UInt8]] = [[UInt8](any.suffix(length)), [UInt8](repeating: 0xc3, count: length)]
        names.append(Array(("\u{e9}" + String(repeating: "a", count: max(0, length - 2))).utf8))
        var archive = TarArchive()
        for name in names { archive.add(name, data: name) }
        archive.add([0x6c], .symbolicLink, target: names[0])
        try test.importArchive(archive.ended)
        let files = try test.files()
        for name in names { #expect(files.files[name]?.data == name) }
        #expect(files.files[[0x6c]]?.data == names[0])
        #expect(files.files.count == names.count + 2)
    }

    @Test func sparseFilesKeepTheirBytes() throws {
        let source = test.folder.folder("source")
        let made = Child.run(
            "/bin/sh",
            [
                "-c",
                "cd \(source) && truncate -s 9000000 s && printf x | dd of=s bs=1 seek=4500000 conv=notrunc status=none "
                    + "&& tar --sparse --format=\"$1\" -cf ../gnu.tar s", "-", "gnu",
            ], environment: ["PATH": "/usr/bin:/bin"])
        #expect(made.status == 0, "\(made.errors)")
        _ = try test.store.importImage(ImageName("image"), from: "\(test.folder.path)/gnu.tar")
        let data = try #require(test.files()["s"]?.data)
        #expect(data.count == 9_000_000)
        #expect(data.indices.filter { data[$0] != 0 } == [4_500_000])
    }

    @Test(arguments: ["gzip", "bzip2", "xz", "lzma", "zstd", "lz4"])
    func compressedArchives(program: String) throws {
        var archive = TarArchive()
        archive.add("f", .file, String(repeating: "text ", count: 50_000))
        let plain = test.folder.file("plain.tar", archive.ended)
        let command = program == "lzma" ? "xz --format=lzma" : program
        let packed = "\(test.folder.path)/packed"
        let made = Child.run(
            "/bin/sh", ["-c", "\(command) -c <'\(plain)' >'\(packed)'"], environment: ["PATH": "/usr/bin:/bin"])
        guard made.status == 0 else {
            Issue.record("\(program) is missing: \(made.errors)")
            return
        }
        let record = try test.store.importImage(ImageName("image"), from: packed)
        #expect(record.digest == (try test.store.importImage(ImageName("plain"), from: plain).digest))
        // Cut off anywhere, it is none.
        let bytes = fileBytes(packed)
        for count in [0, 1, bytes.count / 2, bytes.count - 9] {
            let cut = test.folder.file("cut", Array(bytes.prefix(count)))
            #expect(throws: ImageStoreError.self) { try test.store.importImage(ImageName("cut"), from: cut) }
        }
        #expect(test.litter.count == 3)
    }

    /// A path as an archive may have it, and what comes of it; nil where it is refused.
    static let paths: [(String, String?)] = [
        ("/absolute", "absolute"), ("//a///b", "a/b"), ("./a/./b", "a/b"), ("../escape", nil),
        ("a/../../b", nil), ("a/..", nil), ("..", nil), ("...", "..."), ("a/..b", "a/..b"),
        (String(repeating: "n", count: 255), String(repeating: "n", count: 255)),
        (String(repeating: "n", count: 256), nil), (String(repeating: "n/", count: 2048) + "n", nil),
        (deepest, deepest),
    ]

    private static let deepest = String(repeating: "n/", count: 2000) + "n"

    @Test(arguments: paths)
    func pathsStayInside(path: String, expected: String?) throws {
        var archive = TarArchive()
        archive.add(Array(path.utf8), data: [1])
        let complaint = test.complaint { try test.importArchive(archive.ended) }
        if let expected {
            #expect(complaint == nil)
            #expect(try test.files()[expected]?.data == [1])
        } else {
            #expect(complaint?.contains(path.contains("..") ? "climbs" : "longer") == true, "\(complaint ?? "taken")")
            #expect(test.litter == [])
        }
    }

    @Test func whatIsNoArchiveIsRefused() throws {
        var archive = TarArchive()
        archive.add("a", .file, "text")
        archive.add("b", .file, "more")
        let whole = archive.ended
        var zeroes = TarArchive()
        zeroes.add(Array("z".utf8), data: [UInt8](repeating: 0, count: 2048))
        let cases: [(String, [UInt8], String)] = [
            ("nothing", [], "damaged"),
            ("a text", Array("hello, this is no archive\n".utf8), "damaged"),
            ("zeroes", [UInt8](repeating: 0, count: 10240), "no files"),
            ("without its end", archive.bytes, "cut off"),
            ("cut in a file", Array(whole.prefix(700)), "damaged"),
            ("cut at a header", Array(whole.prefix(1024)), "cut off"),
            ("cut in a header", Array(whole.prefix(1300)), "damaged"),
            ("cut behind zeroes that are a file's", zeroes.bytes, "cut off"),
            ("cut in the block that ends it", zeroes.bytes + [UInt8](repeating: 0, count: 511), "damaged"),
        ]
        for (what, bytes, reason) in cases {
            let complaint = test.complaint { try test.importArchive(bytes) }
            #expect(complaint?.contains(reason) == true, "\(what): \(complaint ?? "taken")")
        }
        #expect(test.litter == [])
    }

    @Test func whatIsBeyondTheLimitsIsRefused() throws {
        var archive = TarArchive()
        archive.add("a", .file, String(repeating: "x", count: 3000))
        archive.add("b", .file, String(repeating: "x", count: 3000))
        let source = test.folder.file("a.tar", archive.ended)
        var limits = ImportLimits()
        limits.fileBytes = 5999
        #expect(
            test.complaint { _ = try test.store.importImage(ImageName("i"), from: source, limits: limits) }
                == "\(source): it unpacks to more than 5999 bytes; that is the limit, which --limit raises")
        limits.fileBytes = 6000
        limits.entries = 1
        #expect(
            test.complaint { _ = try test.store.importImage(ImageName("i"), from: source, limits: limits) }
                == "\(source): it has more than 1 files; that is the limit of an image")
        limits.entries = 2
        // Two names of a byte each.
        limits.metadataBytes = 2 * (256 + 64 + 1) - 1
        #expect(
            test.complaint { _ = try test.store.importImage(ImageName("i"), from: source, limits: limits) }
                == "\(source): its names and attributes take more than 641 bytes; that is the limit")
        limits.metadataBytes += 1
        #expect(test.complaint { _ = try test.store.importImage(ImageName("i"), from: source, limits: limits) } == nil)

        // A few hundred bytes that say they are exbibytes.
        var bomb = TarArchive()
        var map = Array("0\n".utf8)
        map += [UInt8](repeating: 0, count: 510)
        bomb.add(
            Array("GNUSparseFile.0/big".utf8), data: map,
            extended: [
                ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
                ("GNU.sparse.name", Array("big".utf8)), ("GNU.sparse.realsize", Array("9000000000000000000".utf8)),
            ])
        #expect(test.complaint { try test.importArchive(bomb.ended) }?.contains("limit") == true)
    }
}
