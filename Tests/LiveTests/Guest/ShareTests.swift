import Glibc
import TestSupport
import Testing

/// `caisson run --share HOST:GUEST`: the guest's files are the host's. Each boot takes seconds, where kernels are emulated a minute: each
/// test looks at much.
@Suite(.serialized, .needsKVM, .needsAgent, .needsRootTools, .timeLimit(.minutes(40)))
struct ShareTests {
    private func run(_ folder: Folder, _ options: [String], _ script: String) throws -> CommandRun {
        let guest = try #require(DefaultGuest.folder)
        return try CommandRun(
            in: folder, options + ["--", "sh", "-c", script], environment: ["CAISSON_GUEST": guest])
    }

    private func status(_ path: String) throws -> stat {
        var status = stat()
        try #require(lstat(path, &status) == 0, "\(path): \(errno)")
        return status
    }

    @Test func `files go both ways, as they are`() throws {
        let folder = Folder()
        for name in ["work", "read"] { folder.folder(name) }
        folder.file("work/host", "from the host\n", mode: 0o640)
        folder.file("read/r", "only read\n")
        symlink("/etc/hostname", "\(folder.path)/work/link")
        let script = """
            cd /w/here
            cat host; stat -c %a host; readlink link
            umask 0
            mkdir -m 1777 d; echo guest >d/f; chmod 4751 d/f; ln -s ../host d/l; ln d/f d/hard; mkfifo d/p
            dd if=/dev/zero of=sparse bs=1 count=1 seek=1G 2>/dev/null; [ $(du -k sparse | cut -f1) -lt 100 ] && echo sparse
            name=$(printf 'a\\377\\n\\001b'); echo odd >"$name"; cat "$name"
            echo 1 >gone; mv gone moved; echo 2 >>moved; rm host
            chown 12:34 d/f 2>/dev/null; stat -c %u:%g d/f
            mkdir many; cd many; touch $(seq 100); cd ..; echo 7 >many/7; ls many | wc -l
            cat /w/here/ro/r; echo x >/w/here/ro/r || echo refused; touch /w/here/ro/n || echo refused
            mount | grep -c virtiofs
            exec 3<d/f; rm d/f; cat <&3
            echo ready; until [ -e go ]; do sleep 1; done; cat go
            umount /w/here/ro && ls /w/here/ro | wc -l
            """
        let run = try run(folder, ["--share", "work:/w/here", "-v", "read:/w/here/ro:ro"], script)
        let told = try run.expect("ready\n", within: .seconds(1000))
        folder.file("work/new", "live\n")
        rename("\(folder.path)/work/new", "\(folder.path)/work/go")
        let (rest, exit) = run.finish(within: .seconds(1000))
        let isRoot = geteuid() == 0
        #expect(
            told.split(separator: "\n") == [
                "from the host", "640", "/etc/hostname", "sparse", "odd", isRoot ? "12:34" : "\(getuid()):\(getgid())",
                "100", "only read", "refused", "refused", "2", "guest",
            ])
        #expect(rest == "live\n0\n")
        #expect(exit == 0)
        #expect(run.errors.split(separator: "\n").count == 2, "\(run.errors)")

        let work = "\(folder.path)/work"
        #expect(try status("\(work)/d").st_mode == S_IFDIR | 0o1777)
        #expect(try status("\(work)/d/hard").st_mode & 0o777 == 0o751)
        #expect(try status("\(work)/d/hard").st_nlink == 1)
        #expect(try status("\(work)/d/l").st_mode & S_IFMT == S_IFLNK)
        #expect(try status("\(work)/d/p").st_mode & S_IFMT == S_IFIFO)
        let sparse = try status("\(work)/sparse")
        #expect(sparse.st_size == 1 << 30 + 1 && sparse.st_blocks < 100)
        #expect(Child.run("/bin/cat", ["\(work)/moved"]).output == "1\n2\n")
        #expect(access("\(work)/host", F_OK) != 0)
        #expect(Child.run("/bin/cat", ["\(work)/many/7"]).output == "7\n")
        #expect(Child.run("/bin/sh", ["-c", "cat \(work)/a*b"]).output == "odd\n")
        #expect(Child.run("/bin/ls", ["\(folder.path)/read"]).output == "r\n")
        // Where the second share was, in the first.
        #expect(try status("\(work)/ro").st_mode & S_IFMT == S_IFDIR)
    }

    @Test func `a share that cannot be mounted is told, and the command not run`() throws {
        let folder = Folder()
        for name in ["a", "b"] { folder.folder(name) }
        let run = try run(folder, ["-v", "a:/a:ro", "-v", "b:/a/b"], "echo never")
        let (output, status) = run.finish(within: .seconds(1000))
        #expect(output.isEmpty)
        #expect(status == 125)
        #expect(run.errors == "caisson: /a/b: no such file or directory\n")
        #expect(folder.files == ["a", "b"])
    }

    @Test func `a root file system has shares as well, from the machine's start on`() throws {
        let image = try RootImage("erofs")
        let folder = Folder()
        folder.folder("work")
        folder.file("work/in", "in\n")
        let run = try image.run(
            ["--share", "\(folder.path)/work:/work", "-w", "/work", "-u", "builder"],
            ["sh", "-c", "cat in; echo no >out; id -u"])
        chmod("\(folder.path)/work", 0o755)
        #expect(run.finish(within: .seconds(1000)).output == "in\n1000\n")
        // The guest's kernel checks the rights of the guest's users.
        #expect(run.errors.contains("out"))
        #expect(access("\(folder.path)/work/out", F_OK) != 0)
        withExtendedLifetime(image) {}
    }
}
