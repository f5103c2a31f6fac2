import CLinux
import FileSharing
import Glibc
import Synchronization
import TestSupport
import Testing

/// Ways out of a share, none of which leads anywhere.
struct EscapeTests {
    @Test func `no name leads up, across or nowhere`() throws {
        let folder = Folder()
        folder.file("secret", "secret")
        let guest = try FuseGuest(folder)
        guest.folder.folder("share/d")
        let d = guest.lookUp("d").node
        let bad: [[UInt8]] = [
            [], Array("..".utf8), Array(".".utf8), Array("/".utf8), Array("../secret".utf8), Array("d/x".utf8),
            Array("/etc/passwd".utf8),
        ]
        for name in bad {
            for node in [FuseGuest.root, d] {
                let named = name + [0]
                let refused: Set<Int32> = [EINVAL, EPERM]
                #expect(refused.contains(guest.request(.lookup, node: node, named).error))
                #expect(refused.contains(guest.request(.unlink, node: node, named).error))
                #expect(
                    refused.contains(guest.request(.makeDirectory, node: node, guest.halves(0o777, 0) + named).error))
                #expect(
                    refused.contains(guest.request(.create, node: node, guest.halves(66, 0o666, 0, 0) + named).error))
                #expect(refused.contains(guest.request(.link, node: node, guest.numbers(d) + named).error))
                #expect(
                    refused.contains(
                        guest.request(.rename, node: node, guest.numbers(1) + guest.name("d") + named).error))
                #expect(refused.contains(guest.request(.makeSymbolicLink, node: node, named + guest.name("x")).error))
            }
        }
        #expect(folder.files == ["secret", "share"])
        withExtendedLifetime(folder) {}
    }

    @Test func `links are the guest's to follow`() throws {
        let folder = Folder()
        folder.file("secret", "secret")
        let guest = try FuseGuest(folder)
        for (name, target) in [("up", ".."), ("file", "../secret"), ("etc", "/etc"), ("proc", "/proc/self/root")] {
            symlink(target, "\(guest.path)/\(name)")
            let link = guest.lookUp(name)
            #expect(link.attributes.mode & S_IFMT == S_IFLNK)
            #expect(guest.lookUp("passwd", in: link.node).error == ENOTDIR)
            #expect(guest.lookUp("secret", in: link.node).error == ENOTDIR)
            #expect(guest.create("new", in: link.node).error == ENOTDIR)
            #expect(guest.create(name).error == ENXIO)
        }
        #expect(folder.files == ["secret", "share"])
    }

    @Test func `numbers that the guest was not told lead nowhere`() throws {
        let guest = try FuseGuest()
        guest.folder.file("share/f")
        let f = guest.lookUp("f").node
        for node in [0, f + 1, 1 << 32, UInt64.max] {
            #expect(guest.lookUp("f", in: node).error == ESTALE)
            #expect(guest.open(node, O_RDONLY).error == ESTALE)
            #expect(guest.attributes(node).error == ESTALE)
            #expect(guest.read(node, at: 0, 1).error == EBADF)
        }
        guest.tell(.forget, node: f, guest.numbers(1))
        #expect(guest.open(f, O_RDONLY).error == ESTALE)
        #expect(guest.nodeCount == 1)
        // The share's own directory is never forgotten.
        guest.tell(.forget, node: 1, guest.numbers(UInt64.max))
        #expect(guest.lookUp("f").error == 0)
    }

    /// A directory that the guest works in is exchanged with a link to one outside, over and over. With few descriptors the guest's
    /// way there is opened anew all the time.
    @Test func `a directory that becomes a link meanwhile does not lead out`() async throws {
        let folder = Folder()
        for name in ["share", "share/d", "share/d/sub", "outside", "outside/sub"] { folder.folder(name) }
        folder.file("share/d/sub/f", "inside")
        folder.file("outside/sub/f", "outside")
        symlink("\(folder.path)/outside", "\(folder.path)/share/link")
        var limits = FileServer.Limits(descriptorLimit: 1024)
        limits.descriptors = 1
        let guest = try FuseGuest(folder, limits: limits)
        let path = guest.path
        let end = End()
        await withTaskGroup(of: Int.self) { group in
            group.addTask {
                var swaps = 0
                while !end.isOver.load(ordering: .relaxed) || swaps < 100 {
                    if caisson_rename_in(AT_FDCWD, "\(path)/d", AT_FDCWD, "\(path)/link", 2) == 0 { swaps += 1 }
                }
                return swaps
            }
            let (reads, others) = Self.work(guest)
            end.isOver.store(true, ordering: .relaxed)
            #expect(reads > 0)
            #expect(others > 0)
            let swaps = await group.next() ?? 0
            #expect(swaps >= 100)
        }
        #expect(folder.files == ["outside", "share"])
        let outside = Folder.list("\(folder.path)/outside/sub")
        #expect(outside == ["f"])
    }

    private final class End: Sendable { let isOver = Atomic<Bool>(false) }

    /// How often the file inside was read, and how often something else came of it.
    private static func work(_ guest: FuseGuest) -> (reads: Int, others: Int) {
        var (reads, others) = (0, 0)
        var round = 0
        while round < 3000 || reads == 0 || others == 0 {
            round += 1
            guard round < 200_000 else { break }
            let directory = guest.walk("d/sub")
            let file = directory.error == 0 ? guest.lookUp("f", in: directory.node) : directory
            let opened = file.error == 0 ? guest.open(file.node, O_RDWR) : file
            guard opened.error == 0 else {
                others += 1
                continue
            }
            let handle: UInt64 = opened.number(at: 0)
            let text = String(decoding: guest.read(handle, at: 0, 100).body, as: UTF8.self)
            precondition(text == "inside", "it read '\(text)'")
            _ = guest.write(handle, at: 0, Array("inside".utf8))
            _ = guest.release(handle)
            _ = guest.create("new\(round)", in: directory.node)
            _ = guest.request(.unlink, node: directory.node, guest.name("new\(round)"))
            reads += 1
        }
        return (reads, others)
    }
}

extension Folder {
    static func list(_ path: String) -> [String] {
        Child.run("/bin/ls", ["-A", path]).output.split(separator: "\n").map(String.init)
    }
}
