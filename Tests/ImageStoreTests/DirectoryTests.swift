import CLinux
import Glibc
import TestSupport
import Testing

@testable import ImageStore

@Suite struct DirectoryTests {
    let test = TestStore()

    @Test func aDirectoryIsTakenAsItIs() throws {
        let source = test.folder.folder("source")
        let made = Child.run(
            "/bin/sh",
            [
                "-ec",
                """
                cd \(source)
                mkdir -p d/e empty; echo hello >d/f; chmod 4750 d/f; ln d/f d/hard; ln -s ../nowhere d/soft; mkfifo pipe
                truncate -s 5000000 d/e/sparse; printf x >>d/e/sparse; touch -d @77 empty; chmod 1777 empty
                printf y >"$(printf 'n\\n\\377\\001')"
                """,
            ], environment: ["PATH": "/usr/bin:/bin"])
        try #require(made.status == 0, "\(made.errors)")
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: "\(source)/socket".utf8.prefix(100)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        // The owner, a user, the group, the mask and all others, as the kernel has them.
        let entries: [(tag: UInt8, permissions: UInt8, user: UInt8?)] = [
            (1, 6, nil), (2, 7, 99), (4, 4, nil), (0x10, 7, nil), (0x20, 4, nil),
        ]
        var list: [UInt8] = [2, 0, 0, 0]
        for entry in entries {
            list += [entry.tag, 0, entry.permissions, 0]
            list += entry.user.map { [$0, 0, 0, 0] } ?? [0xff, 0xff, 0xff, 0xff]
        }
        try #require(setxattr("\(source)/empty", "user.name", [1, 0, 2] as [UInt8], 3, 0) == 0)
        try #require(setxattr("\(source)/empty", "system.posix_acl_access", list, list.count, 0) == 0)
        if HostProcessUser.isRoot {
            chown("\(source)/pipe", 12345, 99)
            mknod("\(source)/null", S_IFCHR | 0o666, 0x103)
        }

        _ = try test.store.importImage(ImageName("image"), from: source)
        let files = try test.files()
        let odd: [UInt8] = [UInt8(ascii: "n"), UInt8(ascii: "\n"), 0xff, 1]
        var expected = ["", "d", "d/e", "d/e/sparse", "d/f", "d/hard", "d/soft", "empty", "pipe"]
        if HostProcessUser.isRoot { expected.append("null") }
        #expect(files.files[odd]?.data == [UInt8(ascii: "y")])
        #expect(Set(files.files.keys) == Set(expected.map { Array($0.utf8) } + [odd]))
        #expect(files["d/f"]?.data == Array("hello\n".utf8))
        #expect(files["d/f"]?.mode == 0o104750)
        #expect(files["d/hard"] == files["d/f"])
        #expect(files["d/soft"]?.data == Array("../nowhere".utf8))
        #expect(files["empty"]?.attributes[Array("user.name".utf8)] == [1, 0, 2])
        #expect(files["empty"]?.attributes[Array("system.posix_acl_access".utf8)] == list)
        #expect(files["empty"]?.seconds == 77)
        let sparse = try #require(files["d/e/sparse"]?.data)
        #expect(sparse.count == 5_000_001)
        #expect(sparse.filter { $0 != 0 } == [UInt8(ascii: "x")])
        // The importer's own files are root's, with and without being root.
        #expect(files["d/f"]?.user == 0)
        if HostProcessUser.isRoot {
            #expect(files["pipe"]?.user == 12345)
            #expect(files["null"]?.device == 0x103)
        }
    }

    @Test func aLinkToADirectoryIsFollowedAndThoseInItAreNot() throws {
        let source = test.folder.folder("source")
        test.folder.file("outside", "secret")
        symlink("../outside", "\(source)/link")
        symlink("source", "\(test.folder.path)/named")
        _ = try test.store.importImage(ImageName("image"), from: "\(test.folder.path)/named")
        #expect(try test.files()["link"]?.data == Array("../outside".utf8))
    }

    @Test func anArchiveAndItsFilesAreTheSameImage() throws {
        var archive = TarArchive()
        archive.add(Array("./".utf8), .directory, mode: 0o755, modified: 1)
        archive.add(Array("d/".utf8), .directory, mode: 0o755, modified: 5)
        archive.add(Array("d/f".utf8), data: [1, 2], mode: 0o640, modified: 7)
        archive.add(Array("l".utf8), .symbolicLink, target: Array("d/f".utf8), mode: 0o777, modified: 9)
        let record = try test.importArchive(archive.ended)
        let source = test.folder.folder("source")
        let unpacked = Child.run(
            "/bin/tar", ["-xpf", "\(test.folder.path)/source.tar", "-C", source], environment: ["PATH": "/usr/bin:/bin"]
        )
        try #require(unpacked.status == 0, "\(unpacked.errors)")
        #expect(try test.store.importImage(ImageName("other"), from: source).digest == record.digest)
    }

    @Test func whatIsNotThere() throws {
        let path = "\(test.folder.path)/nothing"
        #expect(
            test.complaint { _ = try test.store.importImage(ImageName("image"), from: path) }
                == "cannot open \(path): No such file or directory")
        let empty = test.folder.folder("empty")
        #expect(
            test.complaint { _ = try test.store.importImage(ImageName("image"), from: empty) }
                == "\(empty): it has no files")
        #expect(test.litter == [])
    }
}
