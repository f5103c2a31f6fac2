import CLinux
import FileSharing
import Glibc
import TestSupport
import Testing

/// What a guest can hold of the host's, and what becomes of it.
struct LimitTests {
    private func limits(nodes: Int = 1000, openFiles: Int = 100, descriptors: Int = 100) -> FileServer.Limits {
        var limits = FileServer.Limits(descriptorLimit: 1024)
        (limits.nodes, limits.openFiles, limits.descriptors) = (nodes, openFiles, descriptors)
        return limits
    }

    @Test func `descriptors are parted among shares`() {
        #expect(FileServer.Limits(descriptorLimit: 1024).openFiles == 256)
        #expect(FileServer.Limits(descriptorLimit: 1024, shareCount: 4).descriptors == 64)
        #expect(FileServer.Limits(descriptorLimit: 10).openFiles == 16)
        #expect(FileServer.Limits(descriptorLimit: .max).openFiles == 65536)
    }

    @Test func `a guest knows so many files, and more when it forgets some`() throws {
        let guest = try FuseGuest(limits: limits(nodes: 10))
        for number in 0..<20 { guest.folder.file("share/\(number)") }
        let nodes = (0..<9).map { guest.lookUp("\($0)").node }
        #expect(guest.lookUp("9").error == ENFILE)
        #expect(guest.lookUp("0").error == 0)
        // A directory is listed all the same.
        let handle: UInt64 = guest.request(.openDirectory, guest.halves(0, 0)).number(at: 0)
        let (names, listed) = guest.list(handle, plus: true)
        #expect(names.count == 22)
        #expect(listed.count { $0 != 0 } == 9)
        #expect(guest.release(handle) == 0)
        guest.tell(.batchForget, node: 0, guest.halves(2, 0) + guest.numbers(nodes[1], 100, nodes[2], 100))
        #expect(guest.lookUp("9").error == 0)
        #expect(guest.nodeCount == 9 + 1 - 2 + 1)
    }

    @Test func `a guest has so many files open, and more when it closes some`() throws {
        let guest = try FuseGuest(limits: limits(openFiles: 5))
        let node = guest.create("f").node
        let handles: [UInt64] = (0..<4).map { _ in guest.open(node, O_RDONLY).number(at: 0) }
        #expect(guest.open(node, O_RDONLY).error == ENFILE)
        #expect(guest.create("g").error == ENFILE)
        #expect(guest.lookUp("g").error == ENOENT)
        #expect(guest.request(.openDirectory, guest.halves(0, 0)).error == ENFILE)
        #expect(guest.release(handles[0]) == 0)
        #expect(guest.create("g").error == 0)
        guest.reset()
        #expect(guest.openFileCount == 0)
        #expect(guest.nodeCount == 1)
        #expect(guest.descriptorCount == 1)
    }

    @Test func `files are found again without their descriptors`() throws {
        let guest = try FuseGuest(limits: limits(descriptors: 8))
        for folder in 0..<20 {
            guest.folder.folder("share/\(folder)/in")
            guest.folder.file("share/\(folder)/in/f", "\(folder)")
        }
        let nodes = (0..<20).map { guest.walk("\($0)/in/f").node }
        for _ in 0..<3 {
            for (folder, node) in nodes.enumerated() {
                let opened = guest.open(node, O_RDONLY)
                #expect(opened.error == 0)
                let handle: UInt64 = opened.number(at: 0)
                #expect(guest.read(handle, at: 0, 10).body == Array("\(folder)".utf8))
                #expect(guest.release(handle) == 0)
                #expect(guest.descriptorCount <= 12)
            }
        }
        // A directory with all that the guest knows in it moves, and the guest moved it.
        let move = guest.numbers(guest.lookUp("1").node) + guest.name("0") + guest.name("moved")
        #expect(guest.request(.rename, move).error == 0)
        for node in nodes { #expect(guest.attributes(node).error == 0) }
        #expect(guest.open(nodes[0], O_RDONLY).error == 0)
    }

    @Test func `what the host put in a file's place is another file`() throws {
        let guest = try FuseGuest(limits: limits(descriptors: 1))
        let file = guest.folder.file("share/f", "old")
        let node = guest.lookUp("f").node
        guest.folder.file("new", "new")
        rename("\(guest.folder.path)/new", file)
        #expect(guest.open(node, O_RDONLY).error == ESTALE)
        let again = guest.lookUp("f")
        #expect(again.node != node)
        let handle: UInt64 = guest.open(again.node, O_RDONLY).number(at: 0)
        #expect(guest.read(handle, at: 0, 10).body == Array("new".utf8))
        unlink(file)
        // It is open: its name is not needed.
        #expect(guest.attributes(again.node).attributes?.links == 0)
        guest.tell(.forget, node: again.node, guest.numbers(1))
        #expect(guest.read(handle, at: 0, 10).body == Array("new".utf8))
        #expect(guest.release(handle) == 0)
        #expect(guest.attributes(again.node).error == ESTALE)
    }

    @Test func `directories that the host moved in a circle do not hold up anybody`() throws {
        let guest = try FuseGuest(limits: limits(descriptors: 3))
        for name in ["a/b", "x", "y", "z"] { guest.folder.folder("share/\(name)") }
        let a = guest.lookUp("a").node
        let b = guest.lookUp("b", in: a).node
        #expect(guest.attributes(b).error == 0)
        let path = guest.path
        rename("\(path)/a/b", "\(path)/b")
        rename("\(path)/a", "\(path)/b/a")
        // Each is known by a place in the other now, and neither is open any more.
        #expect(guest.lookUp("a", in: b).node == a)
        for _ in 0..<2 {
            for name in ["x", "y", "z"] { #expect(guest.attributes(guest.lookUp(name).node).error == 0) }
        }
        for node in [a, b] { #expect(guest.attributes(node).error == ESTALE) }
        #expect(guest.walk("b/a").node == a)
        #expect(guest.attributes(b).error == 0)
    }

    @Test func `a share that is only read refuses every change`() throws {
        let guest = try FuseGuest(readOnly: true)
        guest.folder.file("share/f", "text")
        guest.folder.folder("share/d")
        let f = guest.lookUp("f").node
        for flags in [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC] { #expect(guest.open(f, flags).error == EROFS) }
        let handle: UInt64 = guest.open(f, O_RDONLY).number(at: 0)
        #expect(guest.read(handle, at: 0, 4).body == Array("text".utf8))
        #expect(guest.write(handle, at: 0, [1]).error == EROFS)
        #expect(guest.create("n").error == EROFS)
        #expect(guest.create("f", O_RDONLY | O_CREAT).error == EROFS)
        #expect(guest.setAttributes(f, valid: 1, mode: 0o777).error == EROFS)
        for operation in FuseOperation.allCases where operation.isChange {
            #expect(guest.request(operation, node: f, guest.name("f")).error == EROFS, "\(operation)")
        }
        #expect(guest.folder.files == ["share"])
        #expect(Folder.list(guest.path) == ["d", "f"])
    }

    @Test(.timeLimit(.minutes(10)))
    func `a hundred thousand small files are made, listed, read and removed`() throws {
        let guest = try FuseGuest(limits: FileServer.Limits(descriptorLimit: 1024))
        let count = 100_000
        for folder in 0..<100 {
            let made = guest.request(.makeDirectory, guest.halves(0o755, 0) + guest.name("d\(folder)"))
            for file in 0..<count / 100 {
                // One in ten has something in it.
                let created =
                    file % 10 == 0
                    ? guest.create("f\(file)", in: made.node)
                    : guest.request(
                        .makeNode, node: made.node, guest.halves(S_IFREG | 0o644, 0, 0, 0) + guest.name("f\(file)"))
                guard created.error == 0 else { throw Failed(errno: created.error) }
                guard file % 10 == 0 else { continue }
                _ = guest.write(guest.handle(created), at: 0, [UInt8(truncatingIfNeeded: file)])
                _ = guest.release(guest.handle(created))
            }
        }
        #expect(guest.nodeCount == count + 101)
        #expect(guest.descriptorCount <= 256)
        var (seen, right) = (0, 0)
        for folder in 0..<100 {
            let directory = guest.lookUp("d\(folder)").node
            let handle: UInt64 = guest.request(.openDirectory, node: directory, guest.halves(0, 0)).number(at: 0)
            let (names, nodes) = guest.list(handle, plus: true)
            _ = guest.release(handle)
            var forgotten: [UInt8] = []
            for (name, node) in zip(names, nodes) where node != 0 {
                seen += 1
                let number = Int(String(decoding: name.dropFirst(), as: UTF8.self)) ?? 1
                if number % 10 == 0 {
                    let opened: UInt64 = guest.open(node, O_RDONLY).number(at: 0)
                    if guest.read(opened, at: 0, 2).body == [UInt8(truncatingIfNeeded: number)] { right += 1 }
                    _ = guest.release(opened)
                }
                guard guest.request(.unlink, node: directory, name + [0]).error == 0 else { throw Failed(errno: 0) }
                forgotten += guest.numbers(node, .max)
            }
            guest.tell(.batchForget, node: 0, guest.halves(UInt32(forgotten.count / 16), 0) + forgotten)
        }
        #expect(seen == count)
        #expect(right == count / 10)
        #expect(guest.nodeCount == 101)
    }

    private struct Failed: Error { let errno: Int32 }
}
