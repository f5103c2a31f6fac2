import Glibc
import TestSupport
import Testing

/// A tap interface between a guest and its host, in a network namespace of the test's own.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .needsNetworkNamespace, .timeLimit(.minutes(5)))
struct TapTests {
    /// Enters the namespace, in which the test is root in any case.
    private static let unshare = ["/usr/bin/unshare", "--map-root-user", "--net"]

    static let hasNamespace =
        Child.run(unshare[0], unshare.dropFirst() + ["/bin/test", "-w", "/dev/net/tun"]).status == 0

    /// Two processors, so that the interface has two queues.
    @Test func bytesGoBothWays() throws {
        let run = try CommandRun(
            defaultGuest: ["--network", "tap=vm,mac=52:54:00:00:00:09", "--cpus", "2"], behind: Self.unshare)
        // busybox's nc ends with its input.
        let (input, keptOpen) = Descriptor.pipe()
        defer { withExtendedLifetime(keptOpen) {} }
        /// Starts a command in the namespace.
        func host(_ script: String) -> ChildProcess {
            ChildProcess(
                "/usr/bin/nsenter",
                [
                    "--target", "\(run.process.id)", "--user", "--preserve-credentials", "--net", "/bin/sh", "-c",
                    "cd \(run.folder.path); \(script)",
                ], environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], streams: (input.raw, 2, 2))
        }
        try run.expect("# ")
        try #require(
            host("ip address add 10.8.0.1/24 dev vm && ip link set vm up && ip link set lo up").ending() == .exited(0))
        #expect(
            try run.shell("ip addr add 10.8.0.2/24 dev eth0; ip link set eth0 up; cat /sys/class/net/eth0/address")
                == "52:54:00:00:00:09\n")
        #expect(try run.shell("ls -d /sys/class/net/eth0/queues/rx-* | wc -l") == "2\n")
        #expect(try run.shell("ping -c 3 -W 20 -s 1400 10.8.0.1").contains("3 packets received"))

        // From the guest to the host, by segments larger than the MTU, and back.
        _ = try run.shell("\(LinuxSession.numbers(blocks: 4)) > /tmp/sent")
        let sum = try run.shell("md5sum < /tmp/sent").prefix(32)
        let listening = host("timeout 150 busybox nc -l -p 99 > received")
        usleep(300_000)
        #expect(try run.shell("nc 10.8.0.1 99 < /tmp/sent") == "")
        #expect(listening.ending(within: .seconds(150)) == .exited(0))
        #expect(Child.run("/usr/bin/md5sum", ["\(run.folder.path)/received"]).output.prefix(32) == sum)
        run.input?.send("nc -l -p 98 | md5sum; echo re''ceived\n")
        let sending = host(
            "for i in $(seq 50); do timeout 150 busybox nc -w 30 10.8.0.2 98 < received && break; sleep 0.2; done")
        try run.expect("\(sum)  -\r\n")
        try run.expect("received\r\n")
        try run.expect("# ")
        #expect(sending.ending() == .exited(0))

        // The interface goes: the guest sees it, and the user hears of it.
        #expect(host("ip link delete vm").ending() == .exited(0))
        #expect(try run.shell("while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 0.2; done") == "")
        #expect(run.errors.contains("the tap interface vm is gone"))
        run.input?.send("poweroff\n")
        #expect(run.process.ending(within: .seconds(150)) == .exited(0))
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where no namespace can be made.
    fileprivate static var needsNetworkNamespace: Self {
        .enabled(if: TapTests.hasNamespace, "needs a network namespace of its own, and /dev/net/tun in it")
    }
}
