import Glibc
import TestSupport
import Testing

@testable import CaissonCLI

/// `caisson image`, as a user would call it.
@Suite struct ImageCommandTests {
    private let command: Command

    init() throws { command = try Command(machineProgram: nil) }

    private var store: String { "\(command.folder.path)/.local/share/caisson/images" }

    /// A directory of some files.
    private func makeSource(_ name: String = "source", megabytes: Int = 0) -> String {
        let source = command.folder.folder(name)
        command.folder.file("\(name)/hello", "hello from \(name)\n")
        for number in 0..<megabytes {
            command.folder.file(
                "\(name)/\(number)", [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1 << 20))
        }
        return source
    }

    private func files(_ folder: String) -> [String] {
        names(in: "\(store)/\(folder)").filter { $0 != "." && $0 != ".." }
    }

    @Test func fromImportToRemoval() throws {
        let source = makeSource()
        let imported = command.run("image", "import", "first", source)
        #expect(imported.status == 0, "\(imported.errors)")
        #expect(imported.errors == "")
        let digest = imported.output.dropLast()
        #expect(digest.hasPrefix("sha256:") && digest.count == 71)
        #expect(command.run("image", "import", "second", source).output == imported.output)

        let list = command.run("image", "list").output.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(
            list.map { $0.prefix(4) } == [
                ["NAME", "DIGEST", "FORMAT", "SIZE"], ["first", digest.dropFirst(7).prefix(12), "erofs", "4.0K"],
                ["second", digest.dropFirst(7).prefix(12), "erofs", "4.0K"],
            ])
        let json = command.run("image", "list", "--json").output
        #expect(json.hasPrefix("{\n  \"schema\": 1,\n  \"images\": [\n    {\n      \"name\": \"first\",\n"))
        #expect(json.contains("      \"digest\": \"\(digest)\",\n      \"fileSystem\": \"erofs\",\n"))
        let shown = command.run("image", "inspect", "first").output
        #expect(shown.contains("\nfile         \(store)/blobs/\(digest.dropFirst(7))\n"), "\(shown)")
        #expect(shown.contains("\nsource       \(source)"))
        #expect(command.run("image", "inspect", "--json", "first").output.contains("\"file\": \"\(store)/blobs/"))

        #expect(command.run("image", "remove", "first", "second").status == 0)
        #expect(files("blobs") + files("names") == [])
        #expect(command.run("image", "prune").output == "freed 0\n")
        #expect(command.run("image", "list").output == "NAME  DIGEST  FORMAT  SIZE  CREATED\n")
        #expect(command.run("image", "list", "--json").output == "{\n  \"schema\": 1,\n  \"images\": []\n}\n")
    }

    @Test func anArchiveOnStandardInput() throws {
        let source = makeSource()
        let script = "tar -C \"$1\" -c . | \"$2\" image import piped -"
        let piped = Child.run(
            "/bin/sh", ["-c", script, "sh", source, command.program], environment: command.environment)
        #expect(piped.status == 0, "\(piped.errors)")
        #expect(command.run("image", "inspect", "piped").output.contains("source       standard input"))
    }

    static let misuses: [([String], Int32, String)] = [
        (["image", "import", "x"], 2, "missing expected argument '<source>'"),
        (["image", "import", "a/b", "/etc"], 2, "'a/b' is no name of an image"),
        (["image", "import", "x", "/no/such"], 1, "cannot open /no/such: No such file or directory"),
        (["image", "import", "x", "/etc/hostname"], 1, "/etc/hostname: it is damaged or no archive"),
        (["image", "import", "x", "/etc", "--tag", "t"], 1, "/etc: it is a directory, which has no tags"),
        (["image", "import", "x", "/etc", "--limit", "much"], 2, "--limit 'much' is no size"),
        (["image", "import", "x", "/etc", "--limit", "17T"], 2, "--limit '17T' is too much: an image has at most 16T"),
        (["image", "import", "x", "/etc", "--progress", "much"], 2, "--progress 'much' is unknown"),
        (["image", "import", "x", "/usr/bin", "--limit", "100"], 1, "/usr/bin: it unpacks to more than 100 bytes"),
        (["image", "build", "slackware"], 2, "there is no way to build 'slackware', but debian"),
        (["image", "build", "debian", "--include", "git,--x"], 2, "'--x' is no name of a package"),
        (["image", "build", "debian", "--suite", "a b"], 2, "'a b' is no name of a package"),
        (["image", "build", "debian", "--source", "x"], 2, "--source 'x' is no line of sources.list"),
        (["image", "inspect", "x"], 1, "there is no image 'x' in "),
        (["image", "remove", "x"], 1, "there is no image 'x' in "),
        (["image", "remove"], 2, "missing expected argument '<name> ...'"),
    ]

    @Test(arguments: misuses)
    func misused(arguments: [String], status: Int32, line: String) {
        let child = command.run(arguments)
        #expect(child.status == status)
        #expect(child.output == "")
        #expect(child.errors.hasPrefix("caisson: \(line)"), "\(child.errors)")
        #expect(child.errors.split(separator: "\n").count == (status == 2 ? 2 : 1))
        #expect(files("blobs") + files("names") == [])
    }

    @Test func withoutAHome() {
        var environment = command.environment
        environment["HOME"] = nil
        let child = Child.run(command.program, ["image", "list"], environment: environment)
        #expect(child.status == 1)
        #expect(child.errors == "caisson: there is no place for images: neither XDG_DATA_HOME nor HOME is set\n")
    }

    @Test func withoutTheProgramThatBuilds() {
        var environment = command.environment
        environment["PATH"] = command.folder.path
        let child = Child.run(command.program, ["image", "build", "debian"], environment: environment)
        #expect(child.status == 1)
        #expect(child.errors == "caisson: mmdebstrap: it is not installed; `apt-get install mmdebstrap` has it\n")
    }

    /// A program that stands for mmdebstrap: what it writes becomes the image, and its failure is the command's.
    @Test func whatTheBuilderWritesIsTheImage() throws {
        let tools = command.folder.folder("tools")
        var environment = command.environment
        environment["PATH"] = "\(tools):/usr/bin:/bin"
        let source = makeSource()
        command.folder.file(
            "tools/apt-get", "#!/bin/sh\necho deb http://mirror trixie main\necho deb http://m sid main\n", mode: 0o755)
        command.folder.file(
            "tools/mmdebstrap", "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$HOME/words\"\ntar -C \(source) -c .\n",
            mode: 0o755)
        let built = Child.run(
            command.program,
            ["image", "build", "debian", "--suite", "trixie", "--include", "git,make", "--include", "gcc"],
            environment: environment)
        #expect(built.status == 0, "\(built.errors)")
        let words = Child.run("/bin/cat", ["\(command.folder.path)/words"]).output
        #expect(
            words
                == "--variant=minbase\n--format=tar\n--include=git,make,gcc\ntrixie\n-\ndeb http://mirror trixie main\n"
        )
        #expect(command.run("image", "inspect", "debian").output.contains("command      [\"/bin/bash\"]"))

        command.folder.file(
            "tools/mmdebstrap", "#!/bin/sh\ntar -C \(source) -c .\necho 'E: no mirror' >&2; exit 25\n", mode: 0o755)
        let failed = Child.run(command.program, ["image", "build", "debian", "other"], environment: environment)
        #expect(failed.status == 1)
        #expect(failed.errors == "caisson: mmdebstrap: E: no mirror\n")
        #expect(files("names") == ["debian.json"])
    }

    @Test func progressIsToldWhereItIsAskedFor() throws {
        // A source that takes its time.
        let source = makeSource()
        let script = "{ sleep 2.5; tar -C \"$1\" -c .; } | \"$2\" image import piped - --progress \"$3\""
        func run(_ how: String) -> Child {
            Child.run("/bin/sh", ["-c", script, "sh", source, command.program, how], environment: command.environment)
        }
        let plain = run("plain")
        #expect(plain.status == 0)
        #expect(plain.errors.contains("s] "), "\(plain.errors)")
        for how in ["auto", "none"] { #expect(run(how).errors == "") }
    }

    // MARK: Nothing by halves

    /// Killed at any moment, an import leaves nothing but what was there or a whole image.
    @Test func killedImportsLeaveNothing() throws {
        let source = makeSource(megabytes: 24)
        let whole = command.run("image", "import", "whole", source)
        #expect(whole.status == 0, "\(whole.errors)")
        let digest = String(whole.output.dropLast().dropFirst(7))
        #expect(command.run("image", "remove", "whole").status == 0)
        var random = SeededGenerator(seed: 5)
        var finished = 0
        for _ in 0..<40 {
            let null = Descriptor.opening("/dev/null", O_RDWR)
            let child = ChildProcess(
                command.program, ["image", "import", "image", source], environment: command.environment,
                streams: (null.raw, null.raw, null.raw))
            usleep(UInt32.random(in: 0...150_000, using: &random))
            child.send(SIGKILL)
            if child.ending() == .exited(0) { finished += 1 }
            let left = files("blobs")
            #expect(left == [] || left == [digest])
            #expect(Set(files("names")).isSubset(of: ["image.json", ".new"]))
            #expect(Set(names(in: store)).isSubset(of: [".", "..", "blobs", "names", "lock"]))
            #expect(command.run("image", "prune").status == 0)
            if files("names").contains("image.json") {
                #expect(files("blobs") == [digest])
                #expect(command.run("image", "remove", "image").status == 0)
            }
            #expect(files("blobs") == [])
        }
        // Some came to their end, or the next one does.
        #expect(command.run("image", "import", "image", source).output == whole.output, "\(finished)")
        #expect(Set(files("names")) == ["image.json"])
    }

    @Test func importsAtOnceAreAllRight() {
        let sources = (0..<3).map { makeSource("source\($0)", megabytes: 2) }
        let script = """
            for i in 0 1 2 3 4 5 6 7 8; do "$0" image import name$i "$1$((i % 3))" >"$2/$i" & done
            for i in 0 1 2; do "$0" image import same "$1$i" >/dev/null & done
            wait
            """
        let prefix = String(sources[0].dropLast())
        let child = Child.run(
            "/bin/sh", ["-c", script, command.program, prefix, command.folder.folder("out")],
            environment: command.environment)
        #expect(child.errors == "")
        #expect(files("blobs").count == 3)
        #expect(files("names").count == 10)
        for number in 0..<9 {
            let digest = Child.run("/bin/cat", ["\(command.folder.path)/out/\(number)"]).output.dropLast()
            #expect(command.run("image", "inspect", "name\(number)").output.contains("digest       \(digest)\n"))
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root to mount a small file system"))
    func aFullDiskLeavesNothing() throws {
        let source = makeSource(megabytes: 8)
        // Room for the files, but not for the image as well; for neither; and for both.
        let script = """
            set -e
            mkdir -p "$HOME/.local/share"
            for size in 4 12 32; do
                mount -t tmpfs -o size=${size}m none "$HOME/.local/share"
                "$0" image import image "$1" 2>&1 || true
                find "$HOME/.local/share" -type f ! -name lock | wc -l
                "$0" image import small "$2" >/dev/null
                umount "$HOME/.local/share"
            done
            """
        let child = Child.run(
            "/usr/bin/unshare", ["--mount", "/bin/sh", "-c", script, command.program, source, makeSource("small")],
            environment: command.environment.merging(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]) { $1 })
        #expect(child.status == 0, "\(child.errors)")
        let lines = child.output.split(separator: "\n").map(String.init)
        try #require(lines.count == 6, "\(child.output)")
        for index in [0, 2] {
            #expect(lines[index].contains("No space left on device; nothing was kept"), "\(lines[index])")
            #expect(lines[index + 1].trimmed == "0")
        }
        #expect(lines[4].hasPrefix("sha256:"))
        #expect(lines[5].trimmed == "2")
    }
}

extension String {
    fileprivate var trimmed: String { String(drop { $0 == " " }) }
}
