import Glibc
import TestSupport
import Testing

/// `caisson run IMAGE`, and `caisson exec` in a machine that runs.
@Suite(.serialized, .needsKVM, .needsAgent, .needsRootTools, .timeLimit(.minutes(15)))
struct ImageCommandTests {
    /// The environment of a command that works with the store in `folder`.
    private static func environment(_ folder: Folder) throws -> [String: String] {
        ["CAISSON_GUEST": try #require(DefaultGuest.folder), "XDG_DATA_HOME": "\(folder.path)/data"]
    }

    /// Another command beside a run, in its space and with its store.
    private func caisson(_ words: [String], beside run: CommandRun, _ folder: Folder) throws -> Child {
        let environment = BuiltCommand.environment(run.folder).merging(try Self.environment(folder)) { $1 }
        return Child.run(try BuiltCommand.path(), words, environment: environment)
    }

    /// A store with an image of busybox that says what its command is.
    private func importImage(in folder: Folder) throws {
        let script = """
            set -e
            cd "$1"
            umoci init --layout layout
            umoci new --image layout:latest
            umoci unpack --rootless --image layout:latest bundle
            cd bundle/rootfs
            mkdir -p bin etc proc sys dev tmp srv
            cp /bin/busybox bin/
            for name in sh cat echo id pwd sleep env; do ln -s busybox bin/$name; done
            printf 'root:x:0:0:root:/root:/bin/sh\\nbuilder:x:1000:1000::/:/bin/sh\\n' >etc/passwd
            cd ../..
            umoci repack --image layout:latest bundle
            umoci config --image layout:latest --config.entrypoint /bin/sh --config.entrypoint=-c \\
                --config.cmd 'echo "$WORD in $PWD by $(id -u)"; exit 5' --config.env WORD=said --config.user builder \\
                --config.workingdir /srv
            """
        let built = Child.run(
            "/bin/sh", ["-c", script, "sh", folder.path], environment: ["PATH": "/usr/bin:/bin", "HOME": folder.path])
        try #require(built.status == 0, "\(built.errors)")
        let imported = Child.run(
            try BuiltCommand.path(), ["image", "import", "box", "\(folder.path)/layout"],
            environment: try Self.environment(folder))
        try #require(imported.status == 0, "\(imported.errors)")
    }

    @Test(.enabled(if: access("/usr/bin/umoci", X_OK) == 0, "needs umoci: scripts/packages test"))
    func `an image says what runs in it, and stays while it does`() throws {
        let folder = Folder()
        try importImage(in: folder)
        let environment = try Self.environment(folder)
        let first = try CommandRun(in: Folder(), ["box"], environment: environment)
        let (output, status) = first.finish()
        #expect(output == "said in /srv by 1000\n")
        #expect(status == 5 && first.errors == "")

        let run = try CommandRun(
            in: Folder(), ["-e", "WORD=mine", "-u", "0", "box", "--", "echo $WORD $(id -u); exec sleep 1000"],
            environment: environment)
        try run.expect("mine 0\n", within: .seconds(300))
        #expect(try caisson(["list"], beside: run, folder).output.contains("box: /bin/sh -c echo $WORD"))
        let removal = try caisson(["image", "remove", "box"], beside: run, folder)
        #expect(removal.status == 1 && removal.errors.contains("'box' is in use by a machine"))

        let script = "cat; echo $A $PWD $HOSTNAME; echo err >&2; exit 3"
        let other = try caisson(
            ["exec", "-i", "-e", "A=b", "-w", "/etc", "t", "--", "sh", "-c", script], beside: run, folder)
        #expect(other.output == "b /etc t\n" && other.errors == "err\n" && other.status == 3)
        let missing = try caisson(["exec", "t", "--", "nosuch"], beside: run, folder)
        #expect(missing.status == 127 && missing.errors == "caisson: nosuch: no such command\n")

        // The command is asked to end, and the image can go.
        #expect(try caisson(["stop", "t"], beside: run, folder).status == 0)
        #expect(run.finish().status == 143)
        #expect(try caisson(["image", "remove", "box"], beside: run, folder).status == 0)
        #expect(try caisson(["exec", "t", "--", "true"], beside: run, folder).status == 125)
        let gone = try caisson(["run", "box"], beside: run, folder)
        #expect(gone.status == 125 && gone.errors.contains("there is no image 'box'"))
    }

    /// EROFS reads in pieces of up to 64 KiB, and may keep a file's end beside its inode.
    @Test func `files of all sizes are in the machine what they are in the image`() throws {
        let folder = Folder()
        let script = """
            set -e
            cd "$1"
            mkdir -p bin dev proc sys run tmp files
            cp /bin/busybox bin/
            for name in sh md5sum; do ln -s busybox bin/$name; done
            for pages in 0 1 2 3 4 7 15 16 17 31 33 48; do
                for more in 0 1 100 4095; do
                    head -c $((pages * 4096 + more)) /dev/urandom >files/$pages-$more
                done
            done
            md5sum files/*
            """
        let root = folder.folder("root")
        let made = Child.run("/bin/sh", ["-c", script, "sh", root], environment: ["PATH": "/usr/bin:/bin"])
        try #require(made.status == 0, "\(made.errors)")
        let sums = Set(made.output.split(separator: "\n"))
        #expect(sums.count == 48)
        let environment = try Self.environment(folder)
        let imported = Child.run(
            try BuiltCommand.path(), ["image", "import", "sizes", root], environment: environment)
        try #require(imported.status == 0, "\(imported.errors)")
        let run = try CommandRun(
            in: Folder(), ["sizes", "--", "sh", "-c", "md5sum files/*"], environment: environment)
        let (output, status) = run.finish()
        #expect(status == 0 && run.errors == "")
        #expect(Set(output.split(separator: "\n")) == sums)
    }

    @Test func `the default guest runs commands, too`() throws {
        let folder = Folder()
        let run = try CommandRun(in: Folder(), [], environment: try Self.environment(folder))
        // The machine has its name long before its guest runs; the agent is waited for.
        let list = { try self.caisson(["list", "-q"], beside: run, folder).output }
        try #require(eventually { (try? list()) == "t\n" }, "\(run.errors)")
        let child = try caisson(["exec", "t", "--", "sh", "-c", "uname; kill -9 $$"], beside: run, folder)
        #expect(child.output == "Linux\n" && child.status == 137)
        kill(run.process.id, SIGKILL)
        #expect(run.process.ending() == .killed(signal: SIGKILL))
        #expect(try caisson(["exec", "t", "--", "true"], beside: run, folder).status == 125)
    }
}
