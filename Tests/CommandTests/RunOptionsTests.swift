import TestSupport
import Testing

@testable import CaissonCLI
@testable import CaissonOptions

/// The two ways in which `caisson run` reads its arguments are one.
@Suite struct RunOptionsTests {
    private func parsed(_ arguments: [String]) -> RunOptions? {
        ((try? CaissonCommand.parseAsRoot(["run"] + arguments)) as? RunCommand)?.options
    }

    static let plain: [[String]] = [
        [], ["--kernel", "k"], ["--kernel", "k", "--initrd", "a", "--initrd", "b"],
        ["--append", "--x", "--append", ""],
        ["--cmdline", "-- y", "--memory", "1G"], ["-m", "1G", "-c", "1"], ["--cpus", "1", "--name", "n"],
        ["--cpu-quota", "50%", "--cpu-affinity", "0"], ["--stats-json", "s"],
        ["--timeout", "1s", "--no-reboot", "--debug-exit"], ["--console", "none", "--verbose", "--verbose"],
        ["--log-level", "info", "--kernel", "a", "--kernel", "b"], ["--kernel", "", "--name", "ä"],
        ["--network", "tap", "--net", "link=a", "--network", "none"],
        ["--network", "user,bps=1M,bps_max=2M,iops=100", "--net", "tap=vm0,iops=5,iops_max=9"],
        ["--network", "user,host-loopback", "--publish", "8080:80", "-p", "53:53/udp"],
        ["--console", "none", "--virtio-console", "terminal", "--virtio-console", "pty,name=a"],
        ["--balloon", "--balloon-target", "64M", "--memory-backing", "thp"],
        ["--disk", "a,readonly", "--disk", "size=4G", "--snapshot", "--hardware", "acpi"],
        ["--vsock", "s,cid=5"], ["--share", "a:/b", "-v", "c:/d:ro", "--volume", "e:/f"],
        ["--root", "r,fs=ext4", "--", "ls"], ["-it", "--", "sh", "-c", "a; b"], ["-ti", "--", "x", "--", "-y"],
        ["-i", "-t", "-e", "A=b", "--env", "C", "-w", "/w", "-u", "me", "--", "--help"],
        ["--interactive", "--tty", "--workdir", "/w", "--user", "0:0", "--", "", "--kernel"],
    ]

    @Test(arguments: plain) func `plain arguments are understood`(arguments: [String]) throws {
        let options = try #require(RunOptions(plain: arguments[...]))
        #expect(options == parsed(arguments))
    }

    static let others: [[String]] = [
        ["--kernel=k"], ["-m1G"], ["-va:/b"], ["--help"], ["-h"], ["--version"], ["--kernel"],
        ["--kernel", "--initrd"],
        ["--name", "-n"], ["image"], ["--"], ["-"], ["--nosuch", "x"], ["--kernel", "k", "--"], ["--append"], [""],
        ["-it", "-i"], ["-eA=b", "--", "x"], ["--env", "-x", "--", "x"], ["-iti"], ["x", "--", "y"],
    ]

    @Test(arguments: others) func `all others are left to the parser`(arguments: [String]) {
        #expect(RunOptions(plain: arguments[...]) == nil)
    }

    @Test(arguments: 0..<6) func `both read the same`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let words = [
            "--kernel", "--initrd", "--append", "--cmdline", "--memory", "-m", "--cpus", "-c", "--cpu-quota", "--name",
            "--timeout",
            "--disk", "--stats-json", "--snapshot", "--no-reboot", "--debug-exit", "--console", "--verbose", "-v",
            "--log-level",
            "--help", "--version", "-h",
            "--",
            "-", "", "x", "a b", "--x=y", "=", "-1", "-\u{301}", "\u{301}", "é", "--kernel=k", "-vv", "-m1G", "\n",
            "--balloon", "--balloon-target", "--memory-backing", "-i", "-t", "-it", "-ti", "--tty", "-e", "--env", "-w",
            "--user", "--root",
        ]
        var understood = 0
        for _ in 0..<50 {
            let arguments = (0..<Int.random(in: 0...5, using: &random)).flatMap { _ in
                // Mostly an option with a value.
                Bool.random(using: &random)
                    ? [words[Int.random(in: 0..<words.count, using: &random)]]
                    : [words[Int.random(in: 0..<10, using: &random)], words[Int.random(in: 22..<32, using: &random)]]
            }
            guard let options = RunOptions(plain: arguments[...]) else { continue }
            understood += 1
            #expect(options == parsed(arguments), "\(arguments)")
        }
        #expect(understood > 5)
    }
}
