import Glibc
import TestSupport
import Testing

@testable import HostIO

@Suite struct ReceivedFilesTests {
    let folder = Folder()

    private func attributes(_ mode: UInt16 = 0o644) -> ReceivedFiles.Attributes {
        .init(mode: mode, user: geteuid(), group: getegid(), seconds: 1_234_567, nanoseconds: 8)
    }

    private func path(_ name: String) -> String { "\(folder.path)/\(name)" }
    private func text(_ name: String) -> String { Child.run("/bin/cat", [path(name)]).output }
    private func names(_ name: String) -> [String] {
        Child.run("/bin/ls", ["-A", path(name)]).output.split(separator: "\n").map(String.init)
    }

    private func addFile(_ name: String, _ text: String, mode: UInt16 = 0o644, to files: ReceivedFiles) throws {
        try files.beginFile(FileName(name), attributes(mode))
        try files.write(Array(text.utf8).span, at: 0)
        try files.endFile(size: UInt64(text.utf8.count))
    }

    /// A file, under the name `new`.
    private func receiveFile(at place: String) throws {
        let files = try ReceivedFiles(at: path(place))
        try addFile("new", "fresh", to: files)
        try files.finish()
    }

    /// A directory `new` with a file, and another in a directory below.
    private func receiveDirectory(at place: String) throws {
        let files = try ReceivedFiles(at: path(place))
        try files.beginDirectory(FileName("new"), attributes(0o755))
        try addFile("f", "fresh", to: files)
        try files.beginDirectory(FileName("d"), attributes(0o755))
        try addFile("g", "deep", to: files)
        try files.endDirectory()
        try files.endDirectory()
        try files.finish()
    }

    @Test func `a file has the name of its place, or its own in a directory`() throws {
        try receiveFile(at: "a")
        #expect(text("a") == "fresh")
        folder.folder("dir")
        try receiveFile(at: "dir")
        try receiveFile(at: "dir/")
        #expect(names("dir") == ["new"])
        #expect(folder.files == ["a", "dir"])
    }

    @Test func `a file takes another's place`() throws {
        folder.file("a", "old")
        symlink("a", path("link"))
        try receiveFile(at: "link")
        // Not what the link led to.
        #expect(text("link") == "fresh" && text("a") == "old")
    }

    @Test func `a directory has the name of its place, or joins what is there`() throws {
        try receiveDirectory(at: "a")
        #expect(names("a") == ["d", "f"] && text("a/d/g") == "deep")
        folder.folder("b/d")
        folder.file("b/f", "old")
        folder.file("b/d/mine", "mine")
        try receiveDirectory(at: "b")
        #expect(text("b/f") == "fresh" && names("b/d") == ["g", "mine"] && names("b") == ["d", "f"])
        folder.folder("c")
        try receiveDirectory(at: "c/")
        try receiveDirectory(at: "c/")
        #expect(names("c") == ["new"] && names("c/new") == ["d", "f"])
        #expect(folder.files == ["a", "b", "c"])
    }

    @Test func `nothing is half made`() throws {
        for place in ["a", "dir"] {
            folder.folder("dir")
            var files: ReceivedFiles? = try ReceivedFiles(at: path(place))
            try files?.beginDirectory(FileName("x"), attributes(0o500))
            try files?.beginDirectory(FileName("y"), attributes(0o500))
            try files?.endDirectory()
            try files?.beginFile(FileName("z"), attributes())
            try files?.finish()
            files = nil
            #expect(folder.files == ["dir"] && names("dir").isEmpty)
        }
        // Nothing came at all.
        try ReceivedFiles(at: path("a")).finish()
        #expect(folder.files == ["dir"])
    }

    @Test func `a link on the host leads nowhere`() throws {
        folder.folder("b")
        folder.folder("outside")
        symlink("../outside", path("b/d"))
        #expect(throws: HostError.self) { try receiveDirectory(at: "b") }
        #expect(names("outside").isEmpty)
    }

    @Test func `kinds that exclude each other are refused`() throws {
        folder.folder("b/f")
        folder.file("file", "old")
        #expect(throws: HostError.self) { try receiveDirectory(at: "b") }
        #expect(throws: HostError.self) { try receiveDirectory(at: "file") }
        #expect(text("file") == "old")
        folder.folder("dir/new")
        #expect(throws: HostError.self) { try receiveFile(at: "dir") }
        #expect(!folder.files.contains { $0.hasPrefix(".caisson") })
    }

    @Test func `files get modes and times, and no power`() throws {
        let files = try ReceivedFiles(at: path("a"))
        try files.beginDirectory(FileName("a"), attributes(0o1777))
        try addFile("tool", "x", mode: 0o6755, to: files)
        try files.link(FileName("l"), to: Array("/etc/passwd".utf8), attributes(0o777))
        try files.fifo(FileName("p"), attributes(0o4622))
        try files.endDirectory()
        try files.finish()
        var status = stat()
        lstat(path("a/tool"), &status)
        #expect(status.st_mode & 0o7777 == 0o755 && status.st_mtim.tv_sec == 1_234_567 && status.st_mtim.tv_nsec == 8)
        lstat(path("a/l"), &status)
        #expect(status.st_mode & S_IFMT == S_IFLNK && status.st_mtim.tv_sec == 1_234_567)
        lstat(path("a/p"), &status)
        #expect(status.st_mode & S_IFMT == S_IFIFO)
        lstat(path("a"), &status)
        #expect(status.st_mode & 0o7777 == 0o1777)
    }

    @Test func `a place that cannot be is told at once`() {
        folder.file("file")
        for (place, problem) in [
            ("no/such", "cannot open \(path("no"))"), ("no/", "cannot open \(path("no/"))"),
            ("file/x", "cannot open \(path("file"))"),
        ] {
            #expect {
                _ = try ReceivedFiles(at: path(place))
            } throws: {
                "\($0)".hasPrefix(problem)
            }
        }
    }
}
