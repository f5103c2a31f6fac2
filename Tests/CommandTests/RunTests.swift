import Caisson
import Glibc
import HostIO
import TestSupport
import Testing

@testable import CaissonCLI
@testable import CaissonOptions

/// What `caisson run` hands to the machine's program.
@Suite struct RunTests {
    /// What the telling script told: the words, and the files that the descriptors in them are.
    private func told(_ child: Child) throws -> (description: MachineDescription, files: [String]) {
        #expect(child.status == 0)
        #expect(child.errors.isEmpty)
        let lines = child.output.split(separator: "\n").map(String.init)
        let words = lines.filter { !$0.hasPrefix("open ") }
        return (
            try MachineDescription(arguments: words),
            lines.filter { $0.hasPrefix("open ") }.map { String($0.dropFirst(5)) }
        )
    }

    @Test func `files are packed, and what is written is kept, before there is a machine`() throws {
        let command = try Command()
        let guest = command.folder.folder("guest")
        for name in ["vmlinux", "agent.cpio"] { command.folder.file("guest/\(name)") }
        command.folder.folder("src")
        command.folder.file("src/a", "x")
        let root = command.folder.file("root")
        var told = try Command(machineProgram: Command.tellingScript)
        told.environment["CAISSON_GUEST"] = guest
        told.environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        let layer = "\(told.folder.path)/layer"
        let source = "\(command.folder.path)/src"
        let arguments = [
            "run", "--root", "\(root),fs=erofs", "--copy-in", "\(source):/w/", "--copy-out", "/w/out:o:p", "--keep",
            "\(layer),size=64M", "--", "ls",
        ]
        let (description, _) = try self.told(told.run(arguments))
        #expect(description.disks.count == 3)
        #expect(description.rootFileSystem?.layerDisk == 1)
        #expect(description.disks[1].source == .file(path: layer) && !description.disks[1].isReadOnly)
        guard case .file(let packed) = description.disks[2].source else { return #expect(Bool(false)) }
        #expect(packed.hasPrefix("/proc/self/fd/") && description.disks[2].isReadOnly)
        #expect(description.copiedFiles == [CopiedFiles(disk: 2, name: "src", destination: "/w/")])
        #expect(description.copiesOut == [.init(source: "/w/out", destination: "o:p")])
        var status = stat()
        stat(layer, &status)
        #expect(status.st_size == 64 << 20)
        // A second time it goes on; over another root it does not.
        #expect(told.run(arguments).status == 0)
        command.folder.file("not", "a layer")
        let refused = told.run([
            "run", "--root", root + ",fs=erofs", "--keep", command.folder.path + "/not", "--", "ls",
        ])
        #expect(refused.status == 125)
        #expect(refused.errors.hasSuffix("it is no layer that --keep made: name a file that is not there yet\n"))
        let missing = told.run(["run", "--copy-in", "/no/such:/w", "--", "ls"])
        #expect(missing.status == 125)
        #expect(missing.errors == "caisson: cannot look at /no/such: No such file or directory\n")
    }

    @Test func `a kernel alone gets the defaults`() throws {
        let command = try Command()
        let kernel = command.folder.file("vmlinux")
        let (description, files) = try told(command.run("run", "--kernel", kernel))
        #expect(files == [kernel])
        #expect(description.kernel.path == kernel)
        #expect(description.ramdisks.isEmpty)
        #expect(description.commandLine == .extendingDefaults(by: ""))
        #expect(description.memorySize == 512 << 20)
        #expect(description.processorCount == 1)
        #expect(description.console == .terminal)
        #expect(description.timeout == nil)
        #expect(!description.debugExit)
        #expect(description.restartsOnReset)
        #expect(description.logLevel == .warning)
        #expect(description.name.hasPrefix("machine-"))
    }

    @Test func `a command and its root file system arrive`() throws {
        var command = try Command()
        command.environment["CAISSON_GUEST"] = command.folder.folder("guest")
        command.environment["SEEN"] = "s"
        let files = ["guest/vmlinux", "guest/agent.cpio", "a,b"].map { command.folder.file($0, "hsqs") }
        let (description, opened) = try told(
            command.run(
                "run", "--root", "\(files[2].replacing(",", with: ",,"))", "--disk", "size=1M", "-ie", "A=b=c",
                "-eHIDDEN",
                "--env=SEEN", "-w/w", "-u", "me:us", "--name", "n", "--", "make", "-j", "--", "x y"))
        #expect(opened == Array(files[..<2]))
        #expect(description.rootFileSystem == GuestRootFileSystem(type: "squashfs"))
        #expect(description.disks.map(\.source) == [.file(path: files[2]), .scratch(byteCount: 1 << 20)])
        #expect(description.disks[0].isReadOnly)
        #expect(description.memorySize == 256 << 20)
        #expect(description.console == ConsoleSpecification.none)
        #expect(description.commandLine == .extendingDefaults(by: "quiet"))
        let asked = try #require(description.command)
        #expect(asked.arguments == ["make", "-j", "--", "x y"])
        var environment = GuestCommand.defaultEnvironment
        environment.merge(["A": "b=c", "SEEN": "s", "HOSTNAME": "n"]) { $1 }
        #expect(asked.environment == environment)
        #expect(asked.workingDirectory == "/w" && asked.user == "me:us")
        #expect(asked.hasStandardInput && asked.terminal == nil)
    }

    @Test func `a command alone runs in the default guest`() throws {
        var command = try Command()
        command.environment["CAISSON_GUEST"] = command.folder.folder("guest")
        let files = ["guest/vmlinux", "guest/initramfs.cpio"].map { command.folder.file($0) }
        let (description, opened) = try told(
            command.run("run", "-t", "--console", "file:log", "--", "ls"))
        #expect(opened == files)
        #expect(description.rootFileSystem == nil && description.disks.isEmpty)
        #expect(description.console == .file(path: "log"))
        #expect(description.command?.environment["TERM"] == "xterm")
        #expect(description.command?.terminal == .init(rows: 0, columns: 0))
        #expect(description.command?.hasStandardInput == false)
    }

    @Test func `every option arrives`() throws {
        let command = try Command()
        let kernel = command.folder.file("my kernel=x:y")
        let first = command.folder.file("one")
        let second = command.folder.file("two")
        let (description, files) = try told(
            command.run(
                "run", "--kernel", kernel, "--initrd", first, "--initrd", second, "--append", "quiet a=\"b c\"",
                "--append", "-- --single", "-m100000001", "-c1", "--name", "web.1", "--timeout", "1m30s", "--no-reboot",
                "--debug-exit", "--console", "unix:sock", "--log-level", "error"))
        #expect(files == [kernel, first, second])
        #expect(description.kernel.path == kernel)
        #expect(description.ramdisks.map(\.path) == [first, second])
        #expect(description.commandLine == .extendingDefaults(by: "quiet a=\"b c\" -- --single"))
        #expect(description.memorySize == 100_003_840)
        #expect(description.name == "web.1")
        #expect(description.timeout == .seconds(90))
        #expect(description.debugExit)
        #expect(!description.restartsOnReset)
        #expect(description.console == .socket(path: "sock"))
        #expect(description.logLevel == .error)
    }

    static let networks: [([String], [String])] = [
        ([], ["user,optional"]), (["--network", "none"], []), (["--net", "user"], ["user"]),
        (["-p", "8080:80"], ["user,publish=8080:80"]),
        (
            ["--publish=1:2", "-p3:4/udp", "--network", "tap", "--network", "user,host-loopback"],
            ["tap", "user,host-loopback,publish=1:2,publish=3:4/udp"]
        ),
        (
            ["--network", "user,publish=127.0.0.1:1:2", "--network", "user", "-p", "3:4"],
            ["user,publish=127.0.0.1:1:2,publish=3:4", "user"]
        ),
        (
            ["--network", "user,bps=1M,iops=100", "-p", "3:4", "--network", "link=a,bps=2K,bps_max=1G"],
            ["user,publish=3:4,bps=1048576,iops=100", "link=a,bps=2048,bps_max=1073741824"]
        ),
    ]

    @Test(arguments: networks)
    func `networks and published ports arrive`(options: [String], words: [String]) throws {
        let command = try Command()
        let arguments = ["run", "--kernel", command.folder.file("k")] + options
        #expect(try told(command.run(arguments)).description.networks.map(\.description) == words)
    }

    @Test(arguments: [
        (["-p", "80"], "--publish: '80' publishes no port"),
        (["-p", "80:80", "-p", "127.0.0.1:80:81"], "--publish: '127.0.0.1:80:81' publishes no port: that port"),
        (["--network", "user,publish=1:2", "-p", "1:3"], "--publish: '1:3' publishes no port: that port"),
        (["--network", "none", "-p", "1:2"], "--publish needs a user network"),
        (["--network", "tap", "-p", "1:2"], "--publish needs a user network"),
        (["--network", "user,mtu=100"], "--network: 'user,mtu=100'"),
        (["--network", "tap,bps=fast"], "'bps=fast' limits nothing: use a number from 1 up"),
        (["--network", "user,bps_max=1M"], "but not how much a second: add bps="),
        (["--network", "user", "--network", "none"], "--network none is for a machine without a network"),
    ])
    func `networks that say nothing are named`(options: [String], message: String) throws {
        let command = try Command()
        let child = command.run(["run", "--kernel", command.folder.file("k")] + options)
        #expect(child.status == 2)
        #expect(child.errors.contains(message), "\(child.errors)")
    }

    @Test(arguments: [("", ""), ("--x y", "--x y"), ("a  b", "a  b")])
    func `a command line replaces the defaults`(given: String, words: String) throws {
        let command = try Command()
        let (description, _) = try told(
            command.run("run", "--kernel", command.folder.file("k"), "--cmdline", given))
        #expect(description.commandLine == .replacingDefaults(by: words))
    }

    @Test(arguments: [(1, "log-level=info"), (2, "log-level=debug"), (3, "log-level=trace")])
    func `verbosity is a level`(count: Int, word: String) throws {
        let command = try Command()
        let flags = [String](repeating: "--verbose", count: count)
        let words = ["run", "--kernel", command.folder.file("k")] + flags
        let child = Child.run(command.program, words, environment: command.environment)
        #expect(child.status == 0)
        #expect(child.output.contains("\n\(word)\n"))
        #expect(child.errors.hasPrefix("caisson: debug: starting [") == (count > 1))
    }

    @Test func `the default guest is found in order`() throws {
        var command = try Command()
        command.moveProgram("caisson-cli", to: "usr/bin")
        let places =
            ["named", "usr/share/caisson/guest", "cache/guest/default", "xdg/caisson/guest/default"]
            + [".cache/caisson/guest/default"]
        for place in places.reversed() {
            let folder = command.folder.folder(place)
            command.folder.file("\(place)/vmlinux")
            command.folder.file("\(place)/initramfs.cpio")
            switch place {
            case "named": command.environment["CAISSON_GUEST"] = folder
            case "cache/guest/default": command.environment["CAISSON_CACHE"] = "\(command.folder.path)/cache"
            case "xdg/caisson/guest/default": command.environment["XDG_CACHE_HOME"] = "\(command.folder.path)/xdg"
            default: break
            }
            let (description, files) = try told(command.run("run"))
            #expect(files == ["\(folder)/vmlinux", "\(folder)/initramfs.cpio"])
            #expect(description.memorySize == 128 << 20)
            // Standard output is no terminal.
            #expect(description.commandLine == .extendingDefaults(by: "quiet"))
        }
    }

    @Test func `an initrd takes the place of the default guest's`() throws {
        var command = try Command()
        let guest = command.folder.folder("guest")
        command.folder.file("guest/vmlinux")
        command.environment["CAISSON_GUEST"] = guest
        let own = command.folder.file("own")
        let (_, files) = try told(command.run("run", "--initrd", own))
        #expect(files == ["\(guest)/vmlinux", own])
    }

    @Test(arguments: [[], ["--append", "TERM=dumb quiet"]]) func `the default guest learns of the terminal`(
        append: [String]
    ) throws {
        var command = try Command()
        command.environment["CAISSON_GUEST"] = command.folder.folder("guest")
        command.folder.file("guest/vmlinux")
        command.folder.file("guest/initramfs.cpio")
        command.environment["TERM"] = "vt220"
        let screen = try Screen(columns: 101, rows: 41)
        let child = Child.run(
            command.program, ["run"] + append, environment: command.environment, output: screen.slave)
        #expect(child.status == 0)
        let words = (["quiet TERM=vt220 LINES=41 COLUMNS=101"] + append.dropFirst()).joined(separator: " ")
        #expect(screen.text.contains("\nappend=\(words)\n"))
    }

    @Test func `another kernel does not`() throws {
        let command = try Command()
        let screen = try Screen(columns: 80, rows: 24)
        let child = command.run("run", "--kernel", command.folder.file("k"), output: screen.slave)
        #expect(child.status == 0)
        #expect(screen.text.contains("\nappend=\n"))
    }

    @Test func `no file takes the place of a closed stream`() throws {
        let command = try Command()
        let kernel = command.folder.file("k")
        let child = Child.run(
            command.program, ["run", "--kernel", kernel], environment: command.environment, isInputClosed: true)
        let (description, files) = try told(child)
        #expect(description.kernel.descriptor > 2)
        #expect(files == [kernel])
    }

    @Test func `the process stays the same`() throws {
        let command = try Command(machineProgram: "#!/bin/sh\necho \"$$ $1\"\n")
        let child = command.run("run", "--kernel", command.folder.file("k"))
        #expect(child.status == 0)
        let words = child.output.split(whereSeparator: \.isWhitespace)
        #expect(words.count == 2 && words[1] == "name=machine-\(words[0])")
    }
}
