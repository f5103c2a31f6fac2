import ArgumentParser
import CaissonOptions

/// `caisson run`: becomes a machine.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Boots a guest in a machine of its own, or runs a command in one.",
        usage: """
            caisson run [<options>]
            caisson run [<options>] <image> [-- <command> [<argument>]...]
            caisson run --root <file> [<options>] -- <command> [<argument>]...
            caisson run --kernel <file> [--initrd <file>]... [<options>]
            """,
        discussion: """
            Without --kernel, the default guest boots to a shell. The machine runs until the guest switches off, or \
            until Ctrl-A x; with a command, until that has ended.
            """)

    @Argument(
        help: ArgumentHelp(
            """
            What to run from: an image by its name (`caisson image list`), or a file with a root file system by its path, as \
            ./root.erofs. What the guest writes ends with the machine.
            """))
    var image: String?

    @OptionGroup(title: "Guest") var guest: GuestOptions
    @OptionGroup(title: "Command") var command: CommandOptions
    @OptionGroup(title: "Files") var files: FileOptions
    @OptionGroup(title: "Machine") var machine: MachineOptions
    @OptionGroup(title: "Console and messages") var messages: MessageOptions

    func run() throws {
        var options = options
        guard let image else { return try options.start() }
        try options.start(from: image)
    }

    var options: RunOptions {
        var options = RunOptions()
        options.kernel = guest.kernel
        options.initrd = guest.initrd
        options.root = guest.root
        command.apply(to: &options)
        files.apply(to: &options)
        options.append = guest.append
        options.cmdline = guest.cmdline
        options.memory = machine.memory
        options.cpus = machine.cpus
        options.cpuQuota = machine.cpuQuota
        options.cpuAffinity = machine.cpuAffinity
        options.disk = machine.disk
        options.snapshot = machine.snapshot
        options.network = machine.network
        options.publish = machine.publish
        options.memoryBacking = machine.memoryBacking
        options.balloon = machine.balloon
        options.balloonTarget = machine.balloonTarget
        options.vsock = machine.vsock
        options.hardware = machine.hardware
        options.name = machine.name
        options.timeout = machine.timeout
        options.noReboot = machine.noReboot
        options.debugExit = machine.debugExit
        options.console = messages.console
        options.virtioConsole = messages.virtioConsole
        options.statsJSON = messages.statsJSON
        options.verbose = messages.verbose
        options.logLevel = messages.logLevel
        return options
    }
}

struct GuestOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The kernel: a vmlinux, bzImage, PVH or multiboot kernel. Without it, the default guest's.",
            valueName: "file"),
        completion: .file())
    var kernel: String?

    @Option(
        help: ArgumentHelp(
            "An initial ramdisk; a module for a multiboot kernel. May be repeated.", valueName: "file"),
        completion: .file())
    var initrd: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            A file with a root file system, which stays as it is: FILE, which may be followed by ,fs=TYPE and \
            ,partition=NUMBER. What the guest writes ends with the machine.
            """, valueName: "file"),
        completion: .file())
    var root: String?

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Words for the kernel's command line; each takes the place of a default of the same key. May be repeated.",
            valueName: "words"))
    var append: [String] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The kernel's whole command line, without the defaults.", valueName: "words"))
    var cmdline: String?
}

struct CommandOptions: ParsableArguments {
    @Flag(name: [.customShort("i"), .long], help: "Standard input goes to the command.")
    var interactive = false

    @Flag(name: [.customShort("t"), .long], help: "The command has a terminal; with -i it is this one.")
    var tty = false

    @Option(
        name: [.customShort("e", allowingJoined: true), .long],
        help: ArgumentHelp(
            "A word of the command's environment: NAME=VALUE, or NAME for the value that it has here. May be repeated.",
            valueName: "word"))
    var env: [String] = []

    @Option(
        name: [.customShort("w", allowingJoined: true), .long],
        help: ArgumentHelp("Where the command works. (default: /)", valueName: "directory"))
    var workdir: String?

    @Option(
        name: [.customShort("u", allowingJoined: true), .long],
        help: ArgumentHelp(
            "The command's user: NAME or NUMBER, which :GROUP may follow. (default: root)", valueName: "user"))
    var user: String?

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp(
            "A command for the guest, behind --. Its streams are these, and its exit status is the machine's.",
            valueName: "command"))
    var command: [String] = []

    func apply(to options: inout RunOptions) {
        options.interactive = interactive
        options.tty = tty
        options.env = env
        options.workdir = workdir
        options.user = user
        options.command = command
    }
}

struct FileOptions: ParsableArguments {
    @Option(
        name: [.long, .customLong("volume"), .customShort("v", allowingJoined: true)],
        help: ArgumentHelp(
            """
            A directory of the host's, live in the guest: HOST:GUEST, which may be followed by :ro. What the guest writes there \
            stays. May be repeated.
            """, valueName: "directories"),
        completion: .directory)
    var share: [String] = []

    @Option(
        name: .customLong("copy-in"),
        help: ArgumentHelp(
            """
            A file or directory of the host's that is at a place of the guest's when the command starts: HOST:GUEST. A GUEST that ends with \
            a slash is a directory in which it goes. May be repeated.
            """, valueName: "copy"),
        completion: .file())
    var copyIn: [String] = []

    @Option(
        name: .customLong("copy-out"),
        help: ArgumentHelp(
            """
            A file or directory of the guest's that is copied to the host when the command has ended, whatever its status: GUEST:HOST. A \
            HOST that ends with a slash is a directory in which it goes. May be repeated.
            """, valueName: "copy"))
    var copyOut: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            Keep what the guest writes: FILE, which is made where it is missing and goes on with what is in it; it may be followed by \
            ,size=SIZE. (default: it ends with the machine; size 16G)
            """, valueName: "file"),
        completion: .file())
    var keep: String?

    func apply(to options: inout RunOptions) {
        options.share = share
        options.copyIn = copyIn
        options.copyOut = copyOut
        options.keep = keep
    }
}

struct MachineOptions: ParsableArguments {
    @Option(
        name: [.customShort("m", allowingJoined: true), .long],
        help: ArgumentHelp(
            "RAM, as in 512M or 1.5G. (default: 128M for the default guest, 256M with --root, otherwise 512M)",
            valueName: "size"))
    var memory: String?

    @Option(
        name: [.customShort("c", allowingJoined: true), .long],
        help: ArgumentHelp("Processors. (default: 1)", valueName: "number"))
    var cpus: String?

    @Option(
        help: ArgumentHelp(
            "The most CPU time that the processors use together, in percent of one of the host's, as in 50%. (default: no limit)",
            valueName: "percent"))
    var cpuQuota: String?

    @Option(
        help: ArgumentHelp(
            "The host's processor for each of the machine's, in order, as in 0,2-4. (default: any)",
            valueName: "list"))
    var cpuAffinity: String?

    @Option(
        help: ArgumentHelp(
            """
            A disk, vda, vdb ...: PATH of a raw image or block device, which may be followed by ,readonly ,snapshot \
            ,cache=writeback|none|unsafe and ,serial=TEXT; or size=SIZE, a new one that ends with the machine. Both \
            may be limited by ,bps=SIZE and ,iops=NUMBER a second. May be repeated.
            """, valueName: "disk"),
        completion: .file())
    var disk: [String] = []

    @Flag(help: "Throw away at the end what the guest writes to its disks.")
    var snapshot = false

    @Option(
        help: ArgumentHelp(
            """
            What the host takes the RAM from: anonymous memory; shared, a file in memory; mergeable, of which equal \
            pages are merged; hugepages, which the host has set aside; thp, huge pages where there are some.
            """, valueName: "kind"),
        completion: .list(["anonymous", "shared", "mergeable", "hugepages", "thp"]))
    var memoryBacking = "anonymous"

    @Flag(help: "A memory balloon: free memory goes back to the host, and Ctrl-A - and Ctrl-A + change the guest's.")
    var balloon = false

    @Option(
        help: ArgumentHelp(
            "A balloon that leaves this much memory to the guest from its start on.", valueName: "size"))
    var balloonTarget: String?

    @Option(
        name: [.long, .customLong("net")],
        help: ArgumentHelp(
            """
            A network device, eth0, eth1 ...: user, the host's network; tap or tap=NAME, an interface of the host's; \
            link=PATH, another machine with the same path; any may be followed by ,mac=ADDRESS, and the last two by \
            ,mtu=BYTES; any may be limited by ,bps=SIZE and ,iops=NUMBER packets a second, each way; or none. May be \
            repeated. (default: user)
            """, valueName: "network"),
        completion: .list(["user", "user,host-loopback", "tap", "tap=", "link=", "none"]))
    var network: [String] = []

    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: ArgumentHelp(
            """
            A port of the host's that leads to the guest: [ADDRESS:]HOSTPORT:GUESTPORT, which may be followed by /udp. May \
            be repeated.
            """, valueName: "port"))
    var publish: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            A way to the guest's AF_VSOCK ports: a Unix socket is made at PATH, whose clients write CONNECT PORT; the \
            guest's connections to the host's port P go to PATH_P. May be followed by ,cid=N (default 3).
            """, valueName: "path"),
        completion: .file())
    var vsock: String?

    @Option(
        help: ArgumentHelp(
            """
            How the guest learns of its devices: acpi; fdt, a device tree; cmdline, for kernels without both; auto, \
            which is acpi unless the kernel is told acpi=off.
            """, valueName: "way"),
        completion: .list(["auto", "acpi", "fdt", "cmdline"]))
    var hardware = "auto"

    @Option(
        help: ArgumentHelp("What messages call the machine. (default: machine-<process id>)", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("Stop the machine after this time, as in 30s or 1h30m.", valueName: "time"))
    var timeout: String?

    @Flag(help: "End where the guest reboots.")
    var noReboot = false

    @Flag(help: "Let the guest choose the exit status, by a write to port 0xf4.")
    var debugExit = false
}

struct MessageOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Where the serial console goes: terminal, file:PATH, pty, pty:LINK, unix:PATH or none. (default: terminal; \
            with a command none)
            """,
            valueName: "where"),
        completion: .list(["terminal", "file:", "pty", "pty:", "unix:", "none"]))
    var console: String?

    @Option(
        help: ArgumentHelp(
            """
            A virtio console, hvc0, hvc1 ..., which goes where --console can; or with ,name=NAME a stream, which the guest \
            finds as /dev/virtio-ports/NAME. May be repeated.
            """, valueName: "where"),
        completion: .list(["terminal", "file:", "pty", "pty:", "unix:", "none"]))
    var virtioConsole: [String] = []

    @Option(
        name: .customLong("stats-json"),
        help: ArgumentHelp(
            "Record what the machine does in this file: a line of JSON a second, and one at the end.", valueName: "file"
        ),
        completion: .file())
    var statsJSON: String?

    @Flag(help: "Tell more on standard error; twice, still more.")
    var verbose: Int

    @Option(
        help: ArgumentHelp(
            "The least level told: trace, debug, info, notice, warning, error or critical. (default: warning)",
            valueName: "level"),
        completion: .list(["trace", "debug", "info", "notice", "warning", "error", "critical"]))
    var logLevel: String?
}
