import Glibc
import HostIO
import TestSupport
import Testing

@testable import ImageStore

@Suite struct PackingTests {
    let test = TestStore()

    private func files(_ packed: PackedFile) throws -> ErofsReader {
        let path = try packed.pathOverExec()
        defer { close(Int32(path.split(separator: "/").last ?? "") ?? -1) }
        return try ErofsReader(fileBytes(path))
    }

    @Test func `a directory is packed with all that is in it`() throws {
        let source = test.folder.folder("source/d")
        test.folder.file("source/d/f", "hello", mode: 0o640)
        symlink("nowhere", "\(source)/l")
        chmod("\(test.folder.path)/source", 0o750)
        let packed = try test.store.pack("\(test.folder.path)/source")
        let files = try files(packed)
        #expect(
            Set(files.files.keys.map { String(decoding: $0, as: UTF8.self) }) == [
                "", "content", "content/d", "content/d/f", "content/d/l",
            ])
        #expect(files["content"]?.mode == 0o040750)
        #expect(files["content/d/f"]?.data == Array("hello".utf8))
        #expect(test.litter.isEmpty)
    }

    @Test func `a file is packed by itself, and a link leads to it`() throws {
        test.folder.file("f", "text", mode: 0o751)
        symlink("f", "\(test.folder.path)/l")
        for name in ["f", "l"] {
            let files = try files(try test.store.pack("\(test.folder.path)/\(name)"))
            #expect(files["content"]?.data == Array("text".utf8) && files["content"]?.mode == 0o100751)
            #expect(files.files.count == 2)
        }
    }

    @Test func `what cannot be packed is told`() throws {
        mkfifo("\(test.folder.path)/pipe", 0o600)
        #expect(
            test.complaint { _ = try test.store.pack("\(test.folder.path)/pipe") }
                == "\(test.folder.path)/pipe: it is neither a file nor a directory")
        #expect(
            test.complaint { _ = try test.store.pack("/no/such") }
                == "cannot look at /no/such: No such file or directory")
        #expect(test.litter.isEmpty)
    }

    @Test(.enabled(if: access("/sbin/mkfs.ext4", X_OK) == 0, "needs e2fsprogs"))
    func `a layer is made once, and belongs to its root`() throws {
        test.folder.file("disk", [UInt8](repeating: 0, count: 4096))
        let path = "\(test.folder.path)/layer"
        let owner = KeptLayer.Owner(file: "r")
        try KeptLayer.prepare(path, size: 32 << 20, for: owner)
        let check = Child.run("/sbin/e2fsck", ["-fn", path])
        #expect(check.status == 0, "\(check.output)")
        let before = fileBytes(path)
        try KeptLayer.prepare(path, size: 1 << 30, for: owner)
        #expect(fileBytes(path) == before)
        test.folder.folder("tree")
        test.folder.file("tree/a", "x")
        _ = try test.store.importImage(ImageName("image"), from: "\(test.folder.path)/tree")
        let image = KeptLayer.Owner(try test.store.image(named: "image"))
        #expect(
            test.complaint { try KeptLayer.prepare(path, size: 32 << 20, for: image) }
                == "\(path): it was written over another root file system than this image: use it with that, or name another file"
        )
        #expect(
            test.complaint { try KeptLayer.prepare("\(test.folder.path)/disk", size: 32 << 20, for: owner) }
                == "\(test.folder.path)/disk: it is no layer that --keep made: name a file that is not there yet")
        #expect(test.complaint { try KeptLayer.prepare("/no/such/x", size: 32 << 20, for: owner) } != nil)
        #expect(test.folder.files.filter { $0 != "store" } == ["disk", "layer", "tree"])
    }
}
