import Caisson
import TestSupport
import Testing

@testable import CaissonCLI
@testable import CaissonOptions

@Suite struct UsageTests {
    /// Arguments, and the line that they get.
    static let misuses: [([String], String)] = [
        (["nosuch"], "unexpected argument 'nosuch'"),
        (["--nosuch"], "unknown option '--nosuch'"),
        (["run", "--kernl", "k"], "unknown option '--kernl'. Did you mean '--kernel'?"),
        (
            ["run", "image", "other"],
            "unexpected argument 'other'; a command for the guest comes behind --, as in -- ls"
        ),
        (
            ["run", "--copy-in", "a", "--", "ls"],
            "--copy-in 'a' tells of no files: use HOST:GUEST, of which GUEST is an absolute path, as in src:/work"
        ),
        (
            ["run", "--copy-in", "a:b", "--", "ls"],
            "--copy-in 'a:b' tells of no files: use HOST:GUEST, of which GUEST is an absolute path, as in src:/work"
        ),
        (
            ["run", "--copy-out", "a:b", "--", "ls"],
            "--copy-out 'a:b' tells of no files: use GUEST:HOST, of which GUEST is an absolute path, as in /work/out:out"
        ),
        (
            ["run", "--copy-out", "/a:", "--", "ls"],
            "--copy-out '/a:' tells of no files: use GUEST:HOST, of which GUEST is an absolute path, as in /work/out:out"
        ),
        (["run", "--copy-in", "a:/b"], "--copy-in is for a command: give one behind --, as in -- ls"),
        (["run", "--keep", "a"], "--keep is for a command: give one behind --, as in -- ls"),
        (
            ["run", "--keep", "a", "--", "ls"],
            "--keep keeps what is written over a root file system: give an image or --root"
        ),
        (
            ["run", "--root", "r", "--keep", ",size=1G", "--", "ls"],
            "--keep ',size=1G' keeps nothing: it begins with a file's path"
        ),
        (
            ["run", "--root", "r", "--keep", "a,sise=1G", "--", "ls"],
            "--keep 'a,sise=1G' keeps nothing: 'sise=1G' is not known: use size=SIZE, once at most"
        ),
        (
            ["run", "--root", "r", "--keep", "a,size=1M", "--", "ls"],
            "--keep 'a,size=1M' keeps nothing: 'size=1M' is no size: use a number and K, M, G or T, 16M to 16T, as in size=16G"
        ),
        (
            ["run", "a b"],
            "'a b' is no name of an image: use up to 128 letters, digits and . _ - :, with a letter or digit first"
        ),
        (["run", "--root", "r", "image"], "'image' and --root both name a root file system: give one of them"),
        (["run", "./root"], "--root is for a command: give one behind --, as in -- sh -c 'ls /'"),
        (
            ["run", "--kernel", "k", "--", "ls"],
            "a command runs in the default guest or on a root file system: give an image or --root beside --kernel, and no --initrd"
        ),
        (["exec", "t"], "there is no command to run: give one behind --, as in -- ps"),
        (["exec", "a/b", "--", "ls"], "'a/b' is no machine's name"),
        (["stop", "a/b"], "'a/b' is no machine's name"),
        (["run", "-i"], "--interactive is for a command: give one behind --, as in -- ls"),
        (["run", "-t"], "--tty is for a command: give one behind --, as in -- ls"),
        (["run", "-e", "A=b"], "--env is for a command: give one behind --, as in -- ls"),
        (["run", "-w", "/"], "--workdir is for a command: give one behind --, as in -- ls"),
        (["run", "-u", "me"], "--user is for a command: give one behind --, as in -- ls"),
        (["run", "--root", "r"], "--root is for a command: give one behind --, as in -- sh -c 'ls /'"),
        (
            ["run", "-it", "--", "sh"],
            "--tty has the command use this terminal, and standard input is none: leave -t out"
        ),
        (
            ["run", "-e", "=b", "--", "ls"],
            "--env '=b' is no word of an environment: use NAME=VALUE, or NAME for the value it has here"
        ),
        (
            ["run", "--workdir", "work", "--", "ls"],
            "--workdir 'work' is no directory of the guest's: use an absolute path, as in /work"
        ),
        (["run", "--user", "", "--", "ls"], "--user '' is no user: use NAME or NUMBER, which :GROUP may follow"),
        (
            ["run", "--console", "terminal", "--", "ls"],
            "--console terminal: the command has the terminal; use file:PATH, pty or unix:PATH"
        ),
        (
            ["run", "--virtio-console", "terminal", "--", "ls"],
            "--virtio-console terminal: the command has the terminal; use file:PATH, pty or unix:PATH"
        ),
        (
            ["run", "--root", "r", "--initrd", "i", "--", "ls"],
            "--root starts from the agent's own initramfs, which --initrd would replace: give one of them"
        ),
        (
            ["run", "--root", "", "--", "ls"],
            "--root '' is no root file system: it begins with the path of a file that holds one, as mkfs.erofs makes it"
        ),
        (
            ["run", "--root", "r,ro", "--", "ls"],
            "--root 'r,ro' is no root file system: 'ro' is not known: use fs=TYPE and partition=NUMBER, each once at most"
        ),
        (
            ["run", "--root", "r,fs=../x", "--", "ls"],
            "--root 'r,fs=../x' is no root file system: '../x' is no type, as in fs=erofs"
        ),
        (
            ["run", "--root", "r,fs=ext4,partition=0", "--", "ls"],
            "--root 'r,fs=ext4,partition=0' is no root file system: partitions are numbered from 1 to 128"
        ),
        (
            ["run", "--root", "r,partition=1", "--", "ls"],
            "--root 'r,partition=1' is no root file system: the type on a partition has to be said, as in fs=ext4"
        ),
        (["run", "--memory"], "missing value for '--memory <size>'"),
        (["run", "-m", "lots"], "--memory 'lots' is no size: use a number and K, M, G or T, as in 512M or 1.5G"),
        (["run", "--cpus", "x"], "--cpus 'x' is no number of processors: a machine has 1 to 254"),
        (["run", "--cpus", "0"], "--cpus '0' is no number of processors: a machine has 1 to 254"),
        (["run", "--stats-json", ""], "--stats-json '' is no path of a file"),
        (
            ["run", "--cpu-quota", "half"],
            "--cpu-quota 'half' is no share: use percent of one of the host's processors, as in 50%"
        ),
        (["run", "--cpu-quota", "101%"], "--cpu-quota 101% is out of range: one processor can use 1% to 100%"),
        (
            ["run", "-c", "2", "--cpu-quota", "0"],
            "--cpu-quota 0 is out of range: 2 processors can use 1% to 200%"
        ),
        (["run", "-c", "255"], "--cpus 255 is too many: a machine has at most 254 processors"),
        (
            ["run", "--cpu-affinity", "a"],
            "--cpu-affinity 'a' is no list of processors: use numbers from 0 to 1023, as in 0,2-4"
        ),
        (
            ["run", "-c", "2", "--cpu-affinity", "0-2"],
            "--cpu-affinity 0-2 names 3 of the host's processors, the machine has 2: give one for each, or start caisson by "
                + "taskset to share a set"
        ),
        (
            ["run", "--timeout", "soon"],
            "--timeout 'soon' is no time: use a number and ms, s, m, h or d, as in 30s or 1h30m"
        ),
        (
            ["run", "--memory-backing", "paper"],
            "--memory-backing 'paper' is no kind of memory: use anonymous, shared, mergeable, hugepages or thp"
        ),
        (
            ["run", "-m", "63M", "--memory-backing", "hugepages"],
            "--memory-backing hugepages needs whole pages of 2M: use --memory 62M or 64M"
        ),
        (
            ["run", "--balloon-target", "some"],
            "--balloon-target 'some' is no size: use a number and K, M, G or T, as in 64M"
        ),
        (
            ["run", "-m", "100M", "--balloon-target", "31M"],
            "--balloon-target 31M is too little: a balloon leaves 32M to 100M to this machine's guest"
        ),
        (
            ["run", "--balloon-target", "129M"],
            "--balloon-target 129M is too much: a balloon leaves 32M to 128M to this machine's guest"
        ),
        (["run", "--timeout", "0s"], "--timeout 0s is out of range: a machine's time is 1ms to 365d"),
        (["run", "--timeout", "366d"], "--timeout 366d is out of range: a machine's time is 1ms to 365d"),
        (
            ["run", "--timeout", "18446744073709551615ms"],
            "--timeout 18446744073709551615ms is out of range: a machine's time is 1ms to 365d"
        ),
        (
            ["run", "--console", "fax"],
            "--console: 'fax' is not a console: use terminal, file:PATH, pty, pty:LINK, unix:PATH or none"
        ),
        (
            ["run", "--virtio-console", "pty,nam=a"],
            "--virtio-console: 'pty,nam=a' is not a console: there is no option 'nam=a'; there is name= "
                + "(a comma in a path is written twice)"
        ),
        (
            ["run", "--virtio-console", "terminal"],
            "--virtio-console terminal: the serial console has the terminal; give --console none as well"
        ),
        (
            ["run", "--console", "none", "--virtio-console", "pty,name=a", "--virtio-console", "none,name=a"],
            "--virtio-console: two consoles are called 'a'; give each a name of its own"
        ),
        (["run", "--console", "file:"], "--console: 'file:' is not a console: file needs a path, as in file:PATH"),
        (
            ["run", "--name", "a b"],
            "--name 'a b' is no name: use letters, digits, '_', '.' and '-', at most 63, the first of them a letter "
                + "or digit"
        ),
        (
            ["run", "--log-level", "loud"],
            "--log-level 'loud' is no level: use trace, debug, info, notice, warning, error or critical"
        ),
        (["run", "--verbose", "--log-level", "info"], "--verbose and --log-level say the same: give one of them"),
        (
            ["run", "--share", "src"],
            "--share: 'src' is no share: use HOST:GUEST, a directory here and an absolute path in the guest, as in ./src:/src"
        ),
        (
            ["run", "-v", "/tmp:work"],
            "--share: '/tmp:work' is no share: the guest's path has to be absolute, as in /work"
        ),
        (
            ["run", "--volume", "/tmp:/work:z"],
            "--share: '/tmp:/work:z' is no share: there is no option 'z'; there are ro and rw"
        ),
        (
            ["run", "-v/tmp:/w", "--share", "/usr:/w/"],
            "--share: two shares are at /w in the guest; give each a path of its own"
        ),
        (
            ["run", "--append", "a", "--cmdline", "b"],
            "--append adds to the default command line, which --cmdline replaces: give one of them"
        ),
        (["completions", "tcsh"], "there are no completions for 'tcsh', but for bash, zsh and fish"),
    ]

    @Test(arguments: misuses) func `misuse gets one line and a hint`(arguments: [String], line: String) throws {
        let command = try Command()
        let child = Child.run(command.program, arguments, environment: command.environment)
        #expect(child.status == 2)
        #expect(child.output.isEmpty)
        let place =
            ["run", "completions", "exec", "stop"].contains(arguments[0]) ? "caisson \(arguments[0])" : "caisson"
        #expect(child.errors == "caisson: \(line)\nTry '\(place) --help'.\n")
    }

    @Test(arguments: [
        ("1M", "too little"), ("33554431", "too little"), ("1024T", "too much"), ("16777215T", "too much"),
    ])
    func `memory has limits`(size: String, judgement: String) throws {
        let child = try Command().run("run", "--memory", size)
        #expect(child.status == 2)
        let line = try #require(child.errors.split(separator: "\n").first)
        #expect(line.hasPrefix("caisson: --memory \(size) is \(judgement): a machine on this host has 32M to "))
        #expect(line.hasSuffix(size == "33554431" ? " (do you mean 33554431M?)" : " of memory"))
    }

    @Test func `a megabyte is meant where a number is too small`() throws {
        let child = try Command().run("run", "-m", "512")
        #expect(child.status == 2)
        #expect(child.errors.contains(" of memory (do you mean 512M?)\n"))
    }

    @Test(arguments: [[], ["--help"], ["help"], ["-h"]]) func `help is there`(arguments: [String]) throws {
        let command = try Command()
        let child = Child.run(command.program, arguments, environment: command.environment)
        #expect(child.status == 0)
        #expect(child.errors.isEmpty)
        for word in ["USAGE: caisson", "\n  run ", "\n  doctor ", "\n  completions ", "EXAMPLES:", "EXIT STATUS:"] {
            #expect(child.output.contains(word))
        }
    }

    @Test(arguments: [["run", "--help"], ["help", "run"]]) func `help tells of every option`(arguments: [String]) throws
    {
        let command = try Command()
        let child = Child.run(command.program, arguments, environment: command.environment)
        #expect(child.status == 0)
        for word in [
            "--kernel <file>", "--initrd <file>", "--append <words>", "--cmdline <words>", "-m, --memory <size>",
            "-c, --cpus <number>", "--cpu-quota <percent>", "--stats-json <file>", "--name <name>", "--timeout <time>",
            "--no-reboot",
            "--debug-exit", "--memory-backing <kind>", "--balloon", "--balloon-target <size>",
            "--console <where>", "--verbose", "-v, --share, --volume <directories>", "--log-level <level>", "Ctrl-A x",
            "EXIT STATUS:", "ENVIRONMENT:",
            "CAISSON_GUEST", "CAISSON_VMM", "FILES:", "EXAMPLES:",
        ] {
            #expect(child.output.contains(word), "\(word)")
        }
        #expect(child.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    @Test(arguments: ["doctor", "completions", "list", "stop"]) func `other commands have help`(name: String) throws {
        let child = try Command().run(name, "--help")
        #expect(child.status == 0)
        #expect(child.output.contains("USAGE: caisson \(name) "))
        #expect(child.output.contains(name == "doctor" ? "EXIT STATUS:" : "EXAMPLES:"))
        #expect(child.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    @Test func `the version is told`() throws {
        for place in [["--version"], ["run", "--version"]] {
            let command = try Command()
            let child = Child.run(command.program, place, environment: command.environment)
            #expect(child.status == 0)
            #expect(child.output == "caisson \(Version.current)\n")
        }
    }

    @Test(arguments: [("bash", "/bin/bash"), ("zsh", nil), ("fish", nil)])
    func `completions are scripts`(shell: String, checker: String?) throws {
        let command = try Command()
        let child = command.run("completions", shell)
        #expect(child.status == 0)
        for word in ["kernel", "no-reboot", "log-level", "unix:"] { #expect(child.output.contains(word)) }
        if let checker {
            let script = command.folder.file("script", child.output)
            #expect(Child.run(checker, ["-n", script]).errors == "")
        }
    }
}
