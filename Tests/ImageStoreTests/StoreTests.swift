import Glibc
import HostIO
import TestSupport
import Testing

@testable import ImageStore

@Suite struct StoreTests {
    let test = TestStore()

    private static func archive(_ contents: String) -> [UInt8] {
        var archive = TarArchive()
        archive.add("f", .file, contents)
        return archive.ended
    }

    @Test func anEmptyStoreHasNothing() throws {
        #expect(try test.store.images() == [])
        #expect(try test.store.prune() == 0)
        #expect(
            test.complaint { _ = try test.store.image(named: "x") }
                == "there is no image 'x' in \(test.store.path); `caisson image list` shows those that are, "
                + "`caisson image import` makes one")
        #expect(test.complaint { _ = try test.store.remove(["x"]) }?.contains("there is no image 'x'") == true)
        // Looking makes nothing.
        #expect(names(in: test.folder.path).filter { $0 != "." && $0 != ".." } == [])
    }

    @Test func imagesAreStoredOnce() throws {
        let one = try test.importArchive(Self.archive("1"), as: "one")
        let same = try test.importArchive(Self.archive("1"), as: "same")
        let other = try test.importArchive(Self.archive("2"), as: "other")
        #expect(one.digest == same.digest)
        #expect(one.digest != other.digest)
        #expect(try test.store.images() == [one, other, same])
        #expect(
            test.litter
                == [one.digest.hexadecimal, other.digest.hexadecimal, "one.json", "other.json", "same.json"].sorted())
        do {
            let image = try test.store.image(named: "one")
            #expect(image.rootPath == "\(test.store.blobs)/\(one.digest.hexadecimal)")
            #expect((image.fileSystem, image.partition, image.size) == (.erofs, 0, 4096))
            #expect(SHA256.digest(of: fileBytes(image.rootPath)) == one.digest)
        }

        try test.store.remove(["same"])
        #expect(try test.store.images() == [one, other])
        try test.store.remove(["one", "other"])
        #expect(test.litter == [])
    }

    @Test func aNameThatIsGivenAgainLosesItsImage() throws {
        let old = try test.importArchive(Self.archive("1"))
        let new = try test.importArchive(Self.archive("2"))
        #expect(try test.store.images() == [new])
        #expect(test.litter == [new.digest.hexadecimal, "image.json"].sorted())
        #expect(old.digest != new.digest)
    }

    @Test func imagesInUseStay() throws {
        let record = try test.importArchive(Self.archive("1"))
        var image: StoredImage? = try test.store.image(named: "image")
        let second = try test.store.image(named: "image")
        #expect(test.complaint { _ = try test.store.remove(["image"]) }?.contains("in use by a machine") == true)
        #expect(try test.store.images() == [record])
        // Its name can go to another one, and it stays as long as it is used.
        let new = try test.importArchive(Self.archive("2"))
        #expect(try test.store.prune() == 0)
        #expect(test.litter == [record.digest.hexadecimal, new.digest.hexadecimal, "image.json"].sorted())
        #expect(try ErofsReader(fileBytes(second.rootPath))["f"]?.data == [UInt8(ascii: "1")])
        image = nil
        #expect(image == nil)
        #expect(try test.store.prune() == 0)
        withExtendedLifetime(second) {}
    }

    @Test func whatNobodyUsesAnyMoreIsPruned() throws {
        let old = try test.importArchive(Self.archive("1"))
        do {
            let image = try test.store.image(named: "image")
            try test.importArchive(Self.archive("2"))
            withExtendedLifetime(image) {}
        }
        #expect(test.litter.contains(old.digest.hexadecimal))
        #expect(try test.store.prune() == 4096)
        #expect(!test.litter.contains(old.digest.hexadecimal))
    }

    @Test func anImageStaysInUseWhenItsProcessBecomesAnotherProgram() async throws {
        let record = try test.importArchive(Self.archive("1"))
        let path = test.store.path
        // In a process of its own, whose descriptors end with it.
        let result = await #expect(processExitsWith: .success) { [path = path as String] in
            let store = ImageStore(at: path)
            try store.image(named: "image").use.holdUntilProcessEnds()
            #expect(throws: ImageStoreError.inUse("image")) { try store.remove(["image"]) }
            let script = "test \"$(ls -l /proc/self/fd | grep -c /store/blobs/)\" = 1"
            _ = HostProcess.become("/bin/sh", arguments: ["-c", script])
            exit(1)
        }
        #expect(result != nil)
        try test.store.remove(["image"])
        #expect(!test.litter.contains(record.digest.hexadecimal))
    }

    /// An image in use by this name alone stays; another name of the same image can go.
    @Test func anotherNameOfAnImageInUseCanGo() throws {
        try test.importArchive(Self.archive("1"), as: "a")
        try test.importArchive(Self.archive("1"), as: "b")
        let image = try test.store.image(named: "a")
        try test.store.remove(["b"])
        #expect(test.complaint { _ = try test.store.remove(["a"]) }?.contains("'a' is in use") == true)
        withExtendedLifetime(image) {}
    }

    @Test func allAreRemovedOrNone() throws {
        let record = try test.importArchive(Self.archive("1"), as: "a")
        #expect(test.complaint { _ = try test.store.remove(["a", "b"]) }?.contains("no image 'b'") == true)
        #expect(try test.store.images() == [record])
    }

    @Test(arguments: [
        "", ".", "..", ".x", "-x", "a/b", "a b", "é", String(repeating: "n", count: 129), "a\n", "a\u{0}",
    ])
    func namesThatAreNone(text: String) {
        #expect(throws: ImageStoreError.invalidName(text)) { try ImageName(text) }
    }

    @Test(arguments: ["a", "A.b_c-d:12", "1", String(repeating: "n", count: 128)])
    func namesThatAreSound(text: String) throws {
        #expect(try ImageName(text).text == text)
    }

    /// What a record may have become, and what is said of it.
    @Test(arguments: [
        ("", "damaged"), ("{", "damaged"), ("[]", "damaged"), (#"{"schema":1}"#, "damaged"),
        (String(repeating: "[", count: 100_000), "damaged"),
    ])
    func damagedRecords(contents: String, reason: String) throws {
        try test.importArchive(Self.archive("1"), as: "a")
        test.folder.file("store/names/b.json", contents)
        #expect(test.complaint { _ = try test.store.image(named: "b") }?.contains(reason) == true)
        #expect(try test.store.image(named: "a").name == "a")
        // What is not understood may need any file: nothing is freed.
        #expect(test.complaint { try test.store.prune() }?.contains(reason) == true)
        #expect(test.litter.count == 3)
    }

    @Test func aRecordOfANewerFormIsRefused() throws {
        try test.importArchive(Self.archive("1"), as: "a")
        let path = "\(test.store.names)/a.json"
        let text = String(decoding: fileBytes(path), as: UTF8.self)
        let newer = text.replacing("\"schema\" : 1", with: "\"schema\" : 2")
        #expect(newer != text)
        test.folder.file("store/names/a.json", newer)
        #expect(test.complaint { _ = try test.store.image(named: "a") }?.contains("newer Caisson") == true)
    }

    @Test func whatWasLeftOfAWritingOfARecordIsNoImage() throws {
        test.folder.folder("store/names")
        test.folder.folder("store/blobs")
        test.folder.file("store/names/.new", "half")
        #expect(try test.store.images() == [])
        try test.importArchive(Self.archive("1"))
        #expect(test.litter.count == 2)
    }

    /// Imports, removals, look-ups and prunes, all at once: every image that is there is whole.
    @Test func manyAtOnce() async throws {
        let store = test.store
        let sources = (0..<4).map {
            test.folder.file("\($0).tar", Self.archive(String(repeating: "\($0)", count: 9000)))
        }
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var random = SeededGenerator(seed: UInt64(worker))
                    for _ in 0..<40 {
                        let number = Int.random(in: 0..<4, using: &random)
                        let name = "image\(Int.random(in: 0..<3, using: &random))"
                        do {
                            switch Int.random(in: 0..<5, using: &random) {
                            case 0..<2: _ = try store.importImage(ImageName(name), from: sources[number])
                            case 2:
                                let image = try store.image(named: name)
                                #expect(SHA256.digest(of: fileBytes(image.rootPath)) == image.digest)
                            case 3: try store.remove([name])
                            default: try store.prune()
                            }
                        } catch ImageStoreError.unknownImage, ImageStoreError.inUse {
                        } catch {
                            Issue.record("\(error)")
                        }
                    }
                }
            }
        }
        try store.prune()
        let records = try store.images()
        let expected = Set(records.map(\.digest.hexadecimal)).union(records.map { "\($0.name).json" })
        #expect(Set(test.litter) == expected)
    }
}
