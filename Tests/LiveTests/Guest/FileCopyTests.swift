import Glibc
import TestSupport
import Testing

/// `caisson run --copy-in`, `--copy-out` and `--keep`.
@Suite(.serialized, .needsKVM, .needsAgent, .needsRootTools, .timeLimit(.minutes(15)))
struct FileCopyTests {
    /// Files of all kinds, below `source`.
    private func makeSource(in folder: Folder) {
        let script = """
            cd "$1" && mkdir -p d/e && echo hello >d/a && chmod 640 d/a && ln -s a d/link && echo tool >d/tool && chmod 755 d/tool
            truncate -s 1000000 d/sparse && printf end >>d/sparse && printf y >"$(printf 'd/n\\n\\377')" && touch -d @1234567 d/a
            for i in $(seq 30); do echo $i >d/e/$i; done; [ "$(id -u)" != 0 ] || chown 1000:10 d/a
            """
        let source = folder.folder("source")
        let made = Child.run("/bin/sh", ["-ec", script, "sh", source], environment: ["PATH": "/usr/bin:/bin"])
        #expect(made.status == 0, "\(made.errors)")
    }

    private func listing(_ path: String) -> String {
        let script = "cd \"$1\" && find . -printf '%P %y %m %U %G %s %l\\n' | LC_ALL=C sort"
        return Child.run("/bin/sh", ["-ec", script, "sh", path], environment: ["PATH": "/usr/bin:/bin"]).output
    }

    @Test func `files go in, and come out`() throws {
        let image = try RootImage("erofs")
        let folder = Folder()
        makeSource(in: folder)
        folder.file("single", "only\n", mode: 0o600)
        folder.folder("there")
        folder.file("there/kept", "kept")
        let before = listing("\(folder.path)/source")
        // One goes where nothing is, one upon what is there, one into a directory, and one in the place of a file.
        let script = """
            cd /work/src && busybox stat -c '%a %u %g %Y' d/a && cat d/link && tail -c 3 d/sparse && echo
            ls d/e | wc -l; cat /home/builder/d/a; ls -d /home/builder; cat /etc/single /etc/note
            echo changed >d/a && rm d/link && mkdir new && echo 'made here' >new/file && ln -s ../nowhere new/l
            cp -a /work/src/d /work/out && ln -s /etc /work/out/away && busybox truncate -s 3000000 /work/out/hole && echo text >/work/text && exit 3
            """
        let run = try image.run(
            [
                "--copy-in", "\(folder.path)/source:/work/src", "--copy-in", "\(folder.path)/source:/home/builder",
                "--copy-in", "\(folder.path)/single:/etc/", "--copy-in", "\(folder.path)/single:/etc/note",
                "--copy-out", "/work/src/new:\(folder.path)/there", "--copy-out", "/work/out:\(folder.path)/out",
                "--copy-out", "/work/text:\(folder.path)/there/", "--copy-out", "/no/such:\(folder.path)/none",
            ],
            [
                "sh", "-ec",
                script.replacing("tail -c 3 d/sparse", with: "busybox tail -c 3 d/sparse")
                    .replacing("cp -a", with: "busybox cp -a").replacing("mkdir new", with: "busybox mkdir new")
                    .replacing("ln -s", with: "busybox ln -s").replacing("rm d/link", with: "busybox rm d/link"),
            ])
        let (output, status) = run.finish()
        let owner = geteuid() == 0 ? "1000 10" : "0 0"
        #expect(output == "640 \(owner) 1234567\nhello\nend\n30\nhello\n/home/builder\nonly\nonly\n")
        #expect(status == 3)
        #expect(run.errors == "caisson: --copy-out /no/such: /no/such: no such file or directory\n")
        withExtendedLifetime(image) {}
        // The host's are as they were.
        #expect(listing("\(folder.path)/source") == before)
        #expect(folder.files == ["out", "single", "source", "there"])
        #expect(Child.run("/bin/ls", ["-A", "\(folder.path)/there"]).output == "file\nkept\nl\ntext\n")
        #expect(
            Child.run("/bin/cat", ["\(folder.path)/there/file", "\(folder.path)/out/a"]).output
                == "made here\nchanged\n")
        let copied = listing("\(folder.path)/out")
        #expect(copied.contains("away l 777") && copied.contains("sparse f 644") && copied.contains(" 1000003 \n"))
        #expect(copied.contains(geteuid() == 0 ? "a f 640 1000 10 8 " : "a f 640"))
        #expect(Child.run("/bin/ls", ["\(folder.path)/out/e"]).output.split(separator: "\n").count == 30)
        var status2 = stat()
        stat("\(folder.path)/out/hole", &status2)
        #expect(status2.st_size == 3_000_000 && status2.st_blocks < 100)
        // What was packed had no name, and is gone.
        #expect(run.folder.files.allSatisfy { $0 == ".local" })
    }

    @Test func `a copy that fails is a failure, and leaves nothing`() throws {
        let image = try RootImage("erofs")
        let folder = Folder()
        folder.file("a", "x")
        let run = try image.run(["--copy-out", "/etc:\(folder.path)/a"], ["true"])
        #expect(run.finish().status == 125)
        #expect(run.errors.hasPrefix("caisson: --copy-out /etc: cannot replace a of \(folder.path)/a: "))
        #expect(folder.files == ["a"])
        // A place that cannot be is told before anything starts.
        let early = try image.run(["--copy-out", "/etc:\(folder.path)/no/such"], ["true"])
        #expect(early.finish(within: .seconds(10)).status == 125)
        #expect(early.errors.hasPrefix("caisson: --copy-out /etc: cannot open \(folder.path)/no: "))
        let lost = try image.run(["--copy-in", "\(folder.path)/a:/etc/note/x"], ["true"])
        #expect(lost.finish().status == 125)
        #expect(lost.errors == "caisson: /etc/note/x: not a directory\n")
        withExtendedLifetime(image) {}
    }

    @Test func `what the guest writes is kept, and goes on`() throws {
        let image = try RootImage("erofs")
        let folder = Folder()
        makeSource(in: folder)
        let sum = image.sum
        let layer = "\(folder.path)/layer"
        let first = try image.run(
            ["--keep", "\(layer),size=64M", "--copy-in", "\(folder.path)/source:/work"],
            ["sh", "-ec", "echo mine >/home/builder/x; echo more >>/etc/note; busybox rm /etc/group; cat /work/d/a"])
        #expect(first.finish().output == "hello\n")
        #expect(first.errors.isEmpty)
        #expect(Child.run("/sbin/e2fsck", ["-fn", layer]).status & ~1 == 0)
        let second = try image.run(
            ["--keep", layer],
            [
                "sh", "-c",
                "cat /home/builder/x /etc/note; ls /etc/group; ls /work/d/e | wc -l; cat /work/d/link; cat /etc/hostname",
            ])
        #expect(second.finish().output == "mine\noriginal\nmore\n30\nhello\nt\n")
        #expect(second.errors == "ls: /etc/group: No such file or directory\n")
        #expect(image.sum == sum)
        var status = stat()
        stat(layer, &status)
        #expect(status.st_size == 64 << 20 && status.st_blocks < 64 << 10)
    }

    @Test func `files go into the default guest, too`() throws {
        let folder = Folder()
        makeSource(in: folder)
        let guest = try #require(DefaultGuest.folder)
        let run = try CommandRun(
            in: Folder(),
            [
                "--copy-in", "\(folder.path)/source/d:/work", "--copy-out", "/work/a:\(folder.path)/back", "--", "sh",
                "-c",
                "cat /work/a; echo new >>/work/a; ls /work/e | wc -l",
            ], environment: ["CAISSON_GUEST": guest])
        #expect(run.finish().output == "hello\n30\n")
        #expect(run.errors.isEmpty)
        #expect(Child.run("/bin/cat", ["\(folder.path)/back"]).output == "hello\nnew\n")
    }
}
