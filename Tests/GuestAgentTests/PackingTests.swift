import Glibc
import GuestAgent
import HostIO
import TestSupport
import Testing

/// What the guest's own agent packs on this host comes out as it was.
@Suite(.needsAgent, .timeLimit(.minutes(2))) struct PackingTests {
    struct Unpacker: PackReceiver {
        let files: ReceivedFiles

        private func converted(_ attributes: PackedAttributes) -> ReceivedFiles.Attributes {
            .init(
                mode: attributes.mode, user: attributes.user, group: attributes.group,
                seconds: attributes.modified.seconds, nanoseconds: attributes.modified.nanoseconds)
        }
        func beginDirectory(_ name: [UInt8], _ attributes: PackedAttributes) throws(HostError) {
            try files.beginDirectory(FileName(name), converted(attributes))
        }
        func endDirectory() throws(HostError) { try files.endDirectory() }
        func beginFile(_ name: [UInt8], _ attributes: PackedAttributes) throws(HostError) {
            try files.beginFile(FileName(name), converted(attributes))
        }
        func write(_ bytes: Span<UInt8>, at offset: UInt64) throws(HostError) { try files.write(bytes, at: offset) }
        func endFile(size: UInt64) throws(HostError) { try files.endFile(size: size) }
        func link(_ name: [UInt8], to target: [UInt8], _ attributes: PackedAttributes) throws(HostError) {
            try files.link(FileName(name), to: target, converted(attributes))
        }
        func fifo(_ name: [UInt8], _ attributes: PackedAttributes) throws(HostError) {
            try files.fifo(FileName(name), converted(attributes))
        }
    }

    /// Kinds, modes, owners, times and sizes, and digests.
    private static let describe = """
        cd "$1" && find . -printf '%P %y %m %U %G %T@ %l\\n' | LC_ALL=C sort
        find . -type f -printf '%P %s\\n' | LC_ALL=C sort; find . -type f | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0 -r sha256sum
        """

    private func description(_ path: String) -> String {
        Child.run("/bin/sh", ["-ec", Self.describe, "sh", path], environment: ["PATH": "/usr/bin:/bin"]).output
    }

    private func copy(_ source: String, to destination: String) throws -> Child {
        let packed = ScratchFile()
        let child = Child.run(try #require(RealAgent.program), ["--pack", source], output: packed.descriptor.raw)
        guard child.status == 0 else { return child }
        var unpacker = Unpacker(files: try ReceivedFiles(at: destination))
        var reader = PackReader()
        try reader.receive(packed.bytes.span, by: &unpacker)
        try #require(reader.isWhole)
        try unpacker.files.finish()
        return child
    }

    @Test func `all kinds of files come out as they were`() throws {
        let folder = Folder()
        let script = """
            cd "$1" && mkdir -p d/e/f empty && echo hello >d/a && : >none && ln -s ../nowhere d/link && mkfifo d/pipe
            truncate -s 3000000 d/sparse && printf x | dd of=d/sparse bs=1 seek=1500000 conv=notrunc 2>/dev/null
            head -c 300001 /dev/urandom >d/random && chmod 1750 d && chmod 600 none && chmod 555 d/e && touch -d @1234567.5 d/a
            printf y >"$(printf 'n\\n\\377\\001')"; [ "$(id -u)" != 0 ] || chown -h 12:34 d/a d/link d/e
            """
        let source = folder.folder("source")
        #expect(
            Child.run("/bin/sh", ["-ec", script, "sh", source], environment: ["PATH": "/usr/bin:/bin"]).status == 0)
        #expect(try copy(source, to: "\(folder.path)/copy").errors.isEmpty)
        #expect(description(source) == description("\(folder.path)/copy"))
        #expect(description(source).contains("random"))
        #expect(folder.files == ["copy", "source"])
        var status = stat()
        stat("\(folder.path)/copy/d/sparse", &status)
        #expect(status.st_size == 3_000_000 && status.st_blocks < 100)
        _ = Child.run("/bin/chmod", ["-R", "u+w", folder.path])
    }

    @Test func `a link that is named leads to its file`() throws {
        let folder = Folder()
        folder.file("real", "text")
        symlink("real", "\(folder.path)/link")
        folder.folder("to")
        #expect(try copy("\(folder.path)/link", to: "\(folder.path)/to/").status == 0)
        #expect(Child.run("/bin/cat", ["\(folder.path)/to/real"]).output == "text")
    }

    static let failures = [
        ("/no/such", "/no/such: no such file or directory\n"), ("/", "/: the root directory is more than files\n"),
    ]

    @Test(arguments: failures) func `what cannot be packed is told`(path: String, complaint: String) throws {
        let folder = Folder()
        let child = try copy(path, to: "\(folder.path)/x")
        #expect(child.status == 1 && child.errors == complaint)
        #expect(folder.files.isEmpty)
    }

    @Test func `sockets and devices stay out`() throws {
        let folder = Folder()
        let source = folder.folder("d")
        folder.file("d/x", "kept")
        let socket = try UnixSocketFile(at: "\(source)/s")
        let child = try copy(source, to: "\(folder.path)/copy")
        withExtendedLifetime(socket) {}
        #expect(child.status == 0 && child.errors == "s: left out: a device or socket\n")
        #expect(Child.run("/bin/ls", ["\(folder.path)/copy"]).output == "x\n")
    }

    @Test func `thousands of files come out`() throws {
        let folder = Folder()
        let source = folder.folder("source")
        let script = "cd \"$1\" && for d in $(seq 20); do mkdir $d; (cd $d; seq 250 | xargs touch); done"
        _ = Child.run("/bin/sh", ["-ec", script, "sh", source], environment: ["PATH": "/usr/bin:/bin"])
        _ = try copy(source, to: "\(folder.path)/copy")
        #expect(description(source) == description("\(folder.path)/copy"))
        #expect(description(source).split(separator: "\n").count > 10_000)
    }
}

private struct UnixSocketFile: ~Copyable {
    private let descriptor: Descriptor

    init(at path: String) throws {
        descriptor = Descriptor(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let raw = descriptor.raw
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
    }
}
