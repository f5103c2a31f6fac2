/// What `caisson run` was given, as it was written.
package struct RunOptions: Equatable {
    package var kernel: String?
    package var initrd: [String] = []
    package var root: String?
    /// What people call the root file system.
    package var guest: String?
    package var interactive = false
    package var tty = false
    package var env: [String] = []
    package var workdir: String?
    package var user: String?
    package var copyIn: [String] = []
    package var copyOut: [String] = []
    package var keep: String?
    /// The command for the guest, and its arguments.
    package var command: [String] = []
    package var append: [String] = []
    package var cmdline: String?
    package var memory: String?
    package var cpus: String?
    package var cpuQuota: String?
    package var cpuAffinity: String?
    package var disk: [String] = []
    package var snapshot = false
    package var network: [String] = []
    package var publish: [String] = []
    package var memoryBacking = "anonymous"
    package var balloon = false
    package var balloonTarget: String?
    package var vsock: String?
    package var share: [String] = []
    package var hardware = "auto"
    package var name: String?
    package var timeout: String?
    package var noReboot = false
    package var debugExit = false
    /// Nil: the terminal, and nowhere while there is a command, which has that.
    package var console: String?
    package var virtioConsole: [String] = []
    package var statsJSON: String?
    package var verbose = 0
    package var logLevel: String?

    package init() {}

    /// Reads arguments in their plainest forms, `--option value`, and gives up on all else: that, and every mistake, is
    /// for `RunCommand`, which says the same of what this understands.
    ///
    /// A machine starts in a few milliseconds; ArgumentParser would take 1.8 of them, and this takes 0.02.
    package init?(plain arguments: ArraySlice<String>) {
        var rest = arguments.makeIterator()
        /// A value that begins with a dash may be an option instead, where that is possible; the parser has ideas of its
        /// own about two dashes alone, and about a dash that an accent belongs to.
        func value(unconditionally: Bool = false) -> String? {
            guard let value = rest.next() else { return nil }
            guard value.utf8.starts(with: "-".utf8) else { return value }
            return unconditionally && value != "--" && value.hasPrefix("-") ? value : nil
        }

        while let argument = rest.next() {
            switch argument {
            case "--no-reboot":
                // The parser refuses flags that are repeated.
                guard !noReboot else { return nil }
                noReboot = true
                continue
            case "--debug-exit":
                guard !debugExit else { return nil }
                debugExit = true
                continue
            case "--snapshot":
                guard !snapshot else { return nil }
                snapshot = true
                continue
            case "--balloon":
                guard !balloon else { return nil }
                balloon = true
                continue
            case "--interactive", "-i":
                guard !interactive else { return nil }
                interactive = true
                continue
            case "--tty", "-t":
                guard !tty else { return nil }
                tty = true
                continue
            case "-it", "-ti":
                guard !interactive, !tty else { return nil }
                (interactive, tty) = (true, true)
                continue
            case "--":
                while let word = rest.next() { command.append(word) }
                if command.isEmpty { return nil }
                continue
            case "--verbose":
                verbose += 1
                continue
            default: break
            }
            guard let value = value(unconditionally: argument == "--append" || argument == "--cmdline") else {
                return nil
            }
            switch argument {
            case "--kernel": kernel = value
            case "--initrd": initrd.append(value)
            case "--append": append.append(value)
            case "--root": root = value
            case "--env", "-e": env.append(value)
            case "--workdir", "-w": workdir = value
            case "--user", "-u": user = value
            case "--cmdline": cmdline = value
            case "--memory", "-m": memory = value
            case "--cpus", "-c": cpus = value
            case "--cpu-quota": cpuQuota = value
            case "--cpu-affinity": cpuAffinity = value
            case "--disk": disk.append(value)
            case "--network", "--net": network.append(value)
            case "--publish", "-p": publish.append(value)
            case "--memory-backing": memoryBacking = value
            case "--balloon-target": balloonTarget = value
            case "--vsock": vsock = value
            case "--share", "--volume", "-v": share.append(value)
            case "--hardware": hardware = value
            case "--name": name = value
            case "--timeout": timeout = value
            case "--console": console = value
            case "--virtio-console": virtioConsole.append(value)
            case "--stats-json": statsJSON = value
            case "--log-level": logLevel = value
            default: return nil
            }
        }
    }
}
