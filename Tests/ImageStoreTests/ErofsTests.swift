import Glibc
import TestSupport
import Testing

@testable import ImageStore

@Suite struct ErofsTests {
    let test = TestStore()

    /// Sizes about a block's, with and without attributes: in blocks, behind inodes, and both.
    @Test func filesOfAllSizes() throws {
        var archive = TarArchive()
        var expected: [String: [UInt8]] = [:]
        let sizes = [0, 1, 31, 32, 4000, 4031, 4032, 4033, 4095, 4096, 4097, 8191, 8192, 12_345, 100_000]
        for size in sizes {
            for attribute in [0, 1, 100, 4000] {
                let data = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ size) }
                let value = [UInt8](repeating: 9, count: attribute)
                let name = "f\(size)-\(attribute)"
                archive.add(
                    Array(name.utf8), data: data,
                    extended: attribute == 0 ? [] : [("SCHILY.xattr.user.v", value)])
                expected[name] = data
            }
        }
        try test.importArchive(archive.ended)
        let files = try test.files()
        for (name, data) in expected {
            #expect(files[name]?.data == data, "\(name)")
            let attribute = Int(name.split(separator: "-")[1]) ?? 0
            #expect(files[name]?.attributes.values.first?.count ?? 0 == attribute, "\(name)")
        }
        #expect(files.files.count == expected.count + 1)
        try check(test)
    }

    @Test(arguments: [0, 1, 3, 200, 341, 342, 5000])
    func directoriesOfAllSizes(count: Int) throws {
        var archive = TarArchive()
        archive.add("d", .directory, mode: 0o755)
        for number in 0..<count {
            archive.add("d/\(String(repeating: "n", count: number % 200))\(number)", .file, "\(number)")
        }
        // Names that come before a dot's and behind it.
        for name in ["!", "-", ".-", ".a", "..a", "/~"] { archive.add("d/e/\(name)", .file, name) }
        try test.importArchive(archive.ended)
        let files = try test.files()
        #expect(files.files.count == 3 + count + 6)
        #expect(files["d"]?.linkCount == 3)
        for number in 0..<count {
            #expect(files["d/\(String(repeating: "n", count: number % 200))\(number)"]?.data == Array("\(number)".utf8))
        }
        try check(test)
    }

    @Test func linksOfAllSizes() throws {
        var archive = TarArchive()
        for length in [1, 59, 60, 4000, 4031, 4032, 4095] {
            archive.add(
                Array("l\(length)".utf8), .symbolicLink, target: [UInt8](repeating: 0x61, count: length))
        }
        try test.importArchive(archive.ended)
        let files = try test.files()
        for length in [1, 59, 60, 4000, 4031, 4032, 4095] { #expect(files["l\(length)"]?.data.count == length) }
        try check(test)
        // No Linux has longer ones.
        archive.add(Array("l".utf8), .symbolicLink, target: [UInt8](repeating: 0x61, count: 4096))
        #expect(test.complaint { try test.importArchive(archive.ended) }?.contains("leads to 4096 bytes") == true)
    }

    static let impossible: [(String, [(key: String, value: [UInt8])], (Int, Int), String)] = [
        (
            "an attribute of 64 KiB", [("SCHILY.xattr.user.a", [UInt8](repeating: 1, count: 65536))], (0, 0),
            "attributes"
        ),
        (
            "more attributes than an inode has",
            (0..<5).map { ("SCHILY.xattr.user.a\($0)", [UInt8](repeating: 1, count: 65000)) }, (0, 0), "attributes"
        ),
        (
            "a name of 300 bytes", [("SCHILY.xattr.user.\(String(repeating: "n", count: 300))", [1])], (0, 0),
            "attributes"
        ),
        ("a device that Linux has not", [], (4096, 0), "numbers that Linux does not have"),
    ]

    @Test(arguments: impossible.indices)
    func whatDoesNotFitIsRefused(_ index: Int) throws {
        let (_, extended, device, reason) = Self.impossible[index]
        var archive = TarArchive()
        archive.add(Array("d/e/f".utf8), .characterDevice, device: device, extended: extended)
        let complaint = test.complaint { try test.importArchive(archive.ended) }
        #expect(
            complaint?.contains("'/d/e/f'") == true && complaint?.contains(reason) == true, "\(complaint ?? "taken")")
        #expect(test.litter == [])
    }

    @Test func attributesOfNoNameSpaceAreLeftOut() throws {
        var archive = TarArchive()
        archive.add(
            Array("f".utf8), data: [1],
            extended: [("SCHILY.xattr.nobody.knows", [1]), ("SCHILY.xattr.trusted.t", [2])])
        try test.importArchive(archive.ended)
        #expect(try test.files()["f"]?.attributes == [Array("trusted.t".utf8): [2]])
    }

    @Test func theSameFilesMakeTheSameImage() throws {
        let entries = (0..<300).map { ("d\($0 % 9)/e\($0 % 4)/f\($0)", String(repeating: "\($0) ", count: $0)) }
        var random = SeededGenerator(seed: 7)
        let digests = try (0..<3).map { _ in
            var archive = TarArchive()
            for name in 0..<9 { archive.add("d\(name)", .directory) }
            for (path, contents) in entries.shuffled(using: &random) { archive.add(path, .file, contents) }
            return try test.importArchive(archive.ended).digest
        }
        #expect(Set(digests).count == 1)
        #expect(test.litter.count == 2)
    }

    /// Random trees come out as they went in.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func treesComeOutAsTheyWentIn(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var archive = TarArchive()
        var expected: [[UInt8]: [UInt8]] = [:]
        var directories: [[UInt8]] = [[]]
        for number in 0..<Int.random(in: 1...60, using: &random) {
            let length = Int.random(in: 1...255, using: &random)
            var name = (0..<length).map { _ in UInt8.random(in: 1...255, using: &random) }
            name = name.map { $0 == UInt8(ascii: "/") ? 1 : $0 } + []
            if name.first == UInt8(ascii: ".") { name[0] = 2 }
            let parent = directories.randomElement(using: &random) ?? []
            let path = parent.isEmpty ? name : parent + [UInt8(ascii: "/")] + name
            guard path.count < 4000, expected[path] == nil else { continue }
            if number % 4 == 0 {
                archive.add(path, .directory, mode: 0o700)
                directories.append(path)
                expected[path] = []
            } else {
                let data = (0..<Int.random(in: 0...9000, using: &random)).map { UInt8(truncatingIfNeeded: $0) }
                archive.add(path, data: data)
                expected[path] = data
            }
        }
        try test.importArchive(archive.ended)
        let files = try test.files()
        #expect(files.files.count == expected.count + 1)
        for (path, data) in expected { #expect(files.files[path]?.data == data) }
        if seed % 8 == 0 { try check(test) }
    }

    /// What the format's own tools say of the image.
    private func check(_ test: TestStore) throws {
        let image = try test.store.image(named: "image")
        let checked = Child.run("/usr/bin/fsck.erofs", ["--extract", image.rootPath])
        #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
    }
}
