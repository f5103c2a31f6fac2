import FileSharing
import Glibc
import TestSupport
import Testing

import func CLinux.setxattr

/// What a guest does with files, and what is on the host then.
struct FileServerTests {
    private func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    @Test func `a file is found, opened, read and closed`() throws {
        let guest = try FuseGuest()
        guest.folder.file("share/hello", "hello, guest", mode: 0o640)
        let entry = guest.lookUp("hello")
        #expect(entry.error == 0)
        #expect(entry.attributes.size == 12)
        #expect(entry.attributes.mode == S_IFREG | 0o640)
        #expect(entry.attributes.links == 1)
        let opened = guest.open(entry.node, O_RDONLY)
        #expect(opened.error == 0)
        let handle: UInt64 = opened.number(at: 0)
        #expect(String(decoding: guest.read(handle, at: 7, 100).body, as: UTF8.self) == "guest")
        #expect(guest.read(handle, at: 12, 100).body.isEmpty)
        #expect(guest.read(handle, at: 0, 100, room: 3).body == Array("hel".utf8))
        #expect(guest.release(handle) == 0)
        #expect(guest.release(handle) == EBADF)
        #expect(guest.read(handle, at: 0, 1).error == EBADF)
        #expect(guest.lookUp("nothing").error == ENOENT)
    }

    @Test func `a file is made and written, at places and at its end`() throws {
        let guest = try FuseGuest()
        let made = guest.create("new", mode: 0o600)
        #expect(made.error == 0)
        #expect(made.attributes.mode == S_IFREG | 0o600)
        let handle = guest.handle(made)
        #expect(guest.write(handle, at: 4, Array("data".utf8)).number(UInt32.self, at: 0) == 4)
        #expect(guest.write(handle, at: 0, Array("more".utf8)).error == 0)
        // O_APPEND counts, not the place; but not for pages of the guest's cache.
        #expect(guest.write(handle, at: 0, Array("!".utf8), flags: O_APPEND).error == 0)
        #expect(guest.write(handle, at: 3, Array("E".utf8), flags: O_APPEND, writeFlags: 1).error == 0)
        #expect(guest.read(handle, at: 0, 100).body == Array("morEdata!".utf8))
        #expect(guest.create("new", O_RDWR | O_CREAT | O_EXCL).error == EEXIST)
        let again = guest.create("new", O_RDWR | O_CREAT)
        #expect(again.error == 0)
        #expect(again.node == made.node)
        #expect(again.attributes.size == 9)
        #expect(guest.create("new", O_RDWR | O_CREAT | O_TRUNC).error == 0)
        #expect(guest.attributes(made.node).attributes?.size == 0)
        // A count that is not that of the data.
        #expect(
            guest.request(.write, node: 0, guest.numbers(handle, 0) + guest.halves(5, 0) + guest.numbers(0, 0) + [1])
                .error == EINVAL)
    }

    @Test func `directories, links, FIFOs and sockets are made, and devices are not`() throws {
        let guest = try FuseGuest()
        let folder = guest.request(.makeDirectory, guest.halves(0o700, 0) + guest.name("d"))
        #expect(folder.attributes.mode == S_IFDIR | 0o700)
        let link = guest.request(.makeSymbolicLink, node: folder.node, guest.name("l") + guest.name("/etc/passwd"))
        #expect(link.attributes.mode & S_IFMT == S_IFLNK)
        #expect(guest.request(.readLink, node: link.node).body == Array("/etc/passwd".utf8))
        for type in [S_IFIFO, S_IFSOCK, S_IFREG] {
            let made = guest.request(.makeNode, guest.halves(type | 0o600, 0, 0, 0) + guest.name("n\(type)"))
            #expect(made.error == 0)
            #expect(made.attributes.mode == type | 0o600)
        }
        for type in [S_IFCHR, S_IFBLK, S_IFDIR, S_IFLNK] {
            #expect(guest.request(.makeNode, guest.halves(type | 0o600, 0x103, 0, 0) + guest.name("x")).error == EPERM)
        }
        // A further name of a file, and of a link itself.
        let file = guest.create("f")
        let second = guest.request(.link, node: folder.node, guest.numbers(file.node) + guest.name("g"))
        #expect(second.node == file.node)
        #expect(second.attributes.links == 2)
        let linked = guest.request(.link, guest.numbers(link.node) + guest.name("m"))
        #expect(linked.attributes.mode & S_IFMT == S_IFLNK)
        #expect(guest.request(.removeDirectory, guest.name("d")).error == ENOTEMPTY)
        #expect(guest.request(.unlink, guest.name("d")).error == EISDIR)
        #expect(guest.request(.unlink, node: folder.node, guest.name("l")).error == 0)
        #expect(guest.request(.unlink, node: folder.node, guest.name("g")).error == 0)
        #expect(guest.request(.removeDirectory, guest.name("d")).error == 0)
        #expect(guest.lookUp("d").error == ENOENT)
    }

    @Test func `neither FIFOs nor sockets nor links are opened`() throws {
        let guest = try FuseGuest()
        mkfifo("\(guest.path)/fifo", 0o600)
        symlink("/etc/passwd", "\(guest.path)/link")
        for name in ["fifo", "link"] {
            let node = guest.lookUp(name).node
            for flags in [O_RDONLY, O_WRONLY, O_RDWR] { #expect(guest.open(node, flags).error == ENXIO) }
            #expect(guest.request(.openDirectory, node: node, guest.halves(0, 0)).error == ENXIO)
        }
        // Nor does a change of a link's mode or size change what it leads to.
        let link = guest.lookUp("link").node
        #expect(guest.setAttributes(link, valid: 1, mode: 0o777).error == EOPNOTSUPP)
        #expect(guest.setAttributes(link, valid: 8, size: 0).error == ENXIO)
        #expect(guest.open(FuseGuest.root, O_RDONLY).error == EISDIR)
    }

    @Test func `files are renamed, exchanged and kept`() throws {
        let guest = try FuseGuest()
        guest.folder.file("share/a", "1")
        guest.folder.file("share/b", "2")
        guest.folder.folder("share/d")
        let (a, b, d) = (guest.lookUp("a").node, guest.lookUp("b").node, guest.lookUp("d").node)
        func rename(_ old: String, _ directory: UInt64, _ new: String, _ flags: UInt32) -> Int32 {
            guest.request(
                .renameWithFlags, guest.numbers(directory) + guest.halves(flags, 0) + guest.name(old) + guest.name(new)
            ).error
        }
        #expect(rename("a", 1, "b", 1) == EEXIST)
        #expect(rename("a", 1, "b", 2) == 0)
        #expect((guest.lookUp("a").node, guest.lookUp("b").node) == (b, a))
        #expect(rename("a", d, "c", 0) == 0)
        #expect(guest.lookUp("c", in: d).node == b)
        #expect(rename("b", 1, "w", 4) == EINVAL)
        #expect(guest.request(.rename, guest.numbers(d) + guest.name("b") + guest.name("c")).error == 0)
        #expect(guest.lookUp("c", in: d).node == a)
    }

    @Test func `attributes are changed`() throws {
        let guest = try FuseGuest()
        let file = guest.folder.file("share/f", "0123456789")
        let node = guest.lookUp("f").node
        #expect(guest.setAttributes(node, valid: 1, mode: 0o4711).error == 0)
        #expect(status(file)?.st_mode == S_IFREG | 0o4711)
        // To a size, by somebody who may not keep the set-user-id bit.
        #expect(guest.setAttributes(node, valid: 8 | 1 << 11, size: 4).error == 0)
        #expect(status(file)?.st_size == 4)
        #expect(status(file)?.st_mode == S_IFREG | 0o711)
        #expect(guest.setAttributes(node, valid: 8, size: 1 << 63).error == EFBIG)
        #expect(guest.setAttributes(node, valid: 16 | 32, accessed: 1_000_000_007, modified: 86_400).error == 0)
        #expect(status(file)?.st_atim.tv_sec == 1_000_000_007)
        #expect(status(file)?.st_mtim.tv_sec == 86_400)
        #expect(guest.setAttributes(node, valid: 32 | 256).error == 0)
        #expect((status(file)?.st_mtim.tv_sec ?? 0) > 1_600_000_000)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root: others cannot give files away"))
    func `owners are kept, and what is made belongs to its maker`() throws {
        let guest = try FuseGuest()
        chmod(guest.path, 0o777)
        chmod(guest.folder.path, 0o755)
        let file = guest.folder.file("share/f")
        let node = guest.lookUp("f").node
        #expect(guest.setAttributes(node, valid: 2 | 4, user: 1234, group: 4321).error == 0)
        #expect(status(file)?.st_uid == 1234)
        #expect(guest.attributes(node).attributes?.group == 4321)
        (guest.user, guest.group) = (5000, 6000)
        #expect(guest.create("mine").attributes.user == 5000)
        #expect(guest.request(.makeDirectory, guest.halves(0o755, 0) + guest.name("d")).attributes.group == 6000)
        // In a directory where only its group may write, which the guest's kernel checked.
        let other = guest.folder.folder("share/other")
        chown(other, 1, 2)
        chmod(other, 0o775)
        #expect(guest.create("x", in: guest.lookUp("other").node).attributes.user == 5000)
        (guest.user, guest.group) = (0, 0)
        #expect(guest.create("root's").attributes.user == 0)
        #expect(geteuid() == 0)
    }

    @Test func `a write by somebody without the right takes the set-id bits off`() throws {
        let guest = try FuseGuest()
        let file = guest.folder.file("share/f", "x")
        let opened = guest.open(guest.lookUp("f").node, O_RDWR)
        chmod(file, 0o6755)
        #expect(guest.write(opened.number(at: 0), at: 0, [1], writeFlags: 4).error == 0)
        #expect(status(file)?.st_mode == S_IFREG | 0o755)
    }

    @Test func `sparse files stay sparse`() throws {
        let guest = try FuseGuest()
        let made = guest.create("sparse")
        let handle = guest.handle(made)
        #expect(guest.write(handle, at: 1 << 30, [1, 2, 3]).error == 0)
        let attributes = try #require(guest.attributes(made.node).attributes)
        #expect(attributes.size == 1 << 30 + 3)
        #expect(attributes.blocks < 1000)
        func seek(_ offset: UInt64, _ whence: UInt32) -> Answer {
            guest.request(.seek, node: made.node, guest.numbers(handle, offset) + guest.halves(whence, 0))
        }
        #expect(seek(0, 3).number(UInt64.self, at: 0) == 1 << 30)
        #expect(seek(0, 4).number(UInt64.self, at: 0) == 0)
        #expect(seek(1 << 31, 3).error == ENXIO)
        #expect(seek(0, 2).error == EINVAL)
        func allocate(_ offset: UInt64, _ count: UInt64, _ mode: UInt32) -> Int32 {
            guest.request(.allocate, node: made.node, guest.numbers(handle, offset, count) + guest.halves(mode, 0))
                .error
        }
        #expect(allocate(1 << 30, 4096, 3) == 0)
        #expect(guest.read(handle, at: 1 << 30, 3).body == [0, 0, 0])
        #expect(allocate(0, 4096, 8) == EOPNOTSUPP)
        #expect(allocate(1, UInt64(Int64.max), 0) == EFBIG)
        #expect(allocate(UInt64.max, 1, 0) == EINVAL)
    }

    @Test func `ranges are copied on the host`() throws {
        let guest = try FuseGuest()
        let (from, to) = (guest.handle(guest.create("from")), guest.handle(guest.create("to")))
        _ = guest.write(from, at: 0, Array("0123456789".utf8))
        let answer = guest.request(.copyRange, node: 0, guest.numbers(from, 2, 0, to, 1, 4, 0))
        #expect(answer.number(UInt32.self, at: 0) == 4)
        #expect(guest.read(to, at: 0, 100).body == [0] + Array("2345".utf8))
        #expect(guest.request(.synchronize, node: 0, guest.numbers(to, 1)).error == 0)
        #expect(guest.request(.synchronizeFileSystem).error == 0)
    }

    @Test func `names hold any bytes`() throws {
        let guest = try FuseGuest()
        let names: [[UInt8]] = [
            [0xff, 0xfe], [0x0a], [0x20, 0x01], [UInt8](repeating: 0x80, count: 255), Array("é\\:*?".utf8),
        ]
        for name in names {
            #expect(guest.request(.makeDirectory, guest.halves(0o755, 0) + name + [0]).error == 0)
            #expect(guest.request(.lookup, name + [0]).error == 0)
        }
        let opened = guest.request(.openDirectory, guest.halves(0, 0))
        let listed = guest.list(opened.number(at: 0)).names
        #expect(Set(listed) == Set(names + [[0x2e], [0x2e, 0x2e]]))
        #expect(guest.request(.lookup, [UInt8](repeating: 97, count: 256) + [0]).error == ENAMETOOLONG)
    }

    @Test(arguments: [4096, 300, 1 << 16] as [UInt32])
    func `a directory is read in parts of any size, with and without attributes`(room: UInt32) throws {
        let guest = try FuseGuest()
        let names = (0..<300).map { "file-with-a-name-\($0)" }
        for name in names { guest.folder.file("share/\(name)") }
        let handle: UInt64 = guest.request(.openDirectory, guest.halves(0, 0)).number(at: 0)
        for plus in [false, true] {
            let (listed, nodes) = guest.list(handle, plus: plus, room: room)
            #expect(listed.count == 302)
            #expect(Set(listed.map { String(decoding: $0, as: UTF8.self) }) == Set(names + [".", ".."]))
            #expect(!plus || nodes.count { $0 != 0 } == 300)
        }
        #expect(guest.nodeCount == 301)
        #expect(
            guest.request(.readDirectory, node: 0, guest.numbers(handle, 0, 10, 0, 0), room: 10).error == EINVAL)
    }

    @Test func `the user's extended attributes are shared, and no others`() throws {
        let guest = try FuseGuest()
        let file = guest.folder.file("share/f")
        guard setxattr(file, "user.there", "host", 4, 0) == 0 else { return }
        let node = guest.lookUp("f").node
        func get(_ name: String, _ room: UInt32) -> Answer {
            guest.request(.getExtendedAttribute, node: node, guest.halves(room, 0) + guest.name(name))
        }
        func set(_ name: String, _ value: String) -> Int32 {
            guest.request(
                .setExtendedAttribute, node: node,
                guest.halves(UInt32(value.utf8.count), 0) + guest.name(name) + Array(value.utf8)
            ).error
        }
        #expect(get("user.there", 0).number(UInt32.self, at: 0) == 4)
        #expect(get("user.there", 100).body == Array("host".utf8))
        #expect(get("user.there", 2).error == ERANGE)
        #expect(get("user.absent", 0).error == ENODATA)
        #expect(set("user.new", "from the guest") == 0)
        for name in ["security.capability", "trusted.overlay.opaque", "system.posix_acl_access", "user.", "us"] {
            #expect(get(name, 0).error == EOPNOTSUPP)
            #expect(set(name, "x") == EOPNOTSUPP)
        }
        let list = guest.request(.listExtendedAttributes, node: node, guest.halves(1000, 0))
        #expect(
            Set(list.body.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
                == ["user.there", "user.new"])
        #expect(
            guest.request(.listExtendedAttributes, node: node, guest.halves(0, 0)).number(UInt32.self, at: 0)
                == UInt32(list.body.count))
        #expect(guest.request(.removeExtendedAttribute, node: node, guest.name("user.there")).error == 0)
        #expect(get("user.there", 0).error == ENODATA)
    }

    @Test func `what the guest has of a file is dropped when the host changed it`() throws {
        let guest = try FuseGuest()
        let file = guest.folder.file("share/f", "1")
        // Long ago, by the host's clock, as far as one can set it: a change of the inode is always now.
        let node = guest.lookUp("f").node
        func keeps() -> Bool { guest.open(node, O_RDONLY).number(UInt32.self, at: 8) & 2 != 0 }
        #expect(!keeps())
        #expect(!keeps())
        usleep(2_100_000)
        #expect(!keeps())
        #expect(keeps())
        guest.folder.file("share/f", "2")
        #expect(!keeps())
        withExtendedLifetime(file) {}
    }
}

extension FuseGuest {
    /// - Parameter valid: FATTR_… of what counts.
    func setAttributes(
        _ node: UInt64, valid: UInt32, mode: UInt32 = 0, size: UInt64 = 0, user: UInt32 = 0, group: UInt32 = 0,
        accessed: UInt64 = 0, modified: UInt64 = 0
    ) -> Answer {
        request(
            .setAttributes, node: node,
            halves(valid, 0) + numbers(0, size, 0, accessed, modified, 0) + halves(0, 0, 0, mode, 0, user, group, 0))
    }
}
