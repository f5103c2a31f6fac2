import Caisson
import Glibc
import HostIO
import TestSupport
import Testing

/// What a Linux guest has of the host's network without anybody's privileges.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .timeLimit(.minutes(10)))
struct LinuxUserNetworkTests {
    private static let patience: Int32 = 120_000
    private static let untilAddress = "while [ ! -s /etc/resolv.conf ]; do sleep 0.2; done"

    @Test func theGuestIsOnTheHostsNetwork() async throws {
        let (server, datagrams) = (LoopbackSocket(), LoopbackSocket(isDatagram: true))
        let (tcp, udp) = (LoopbackSocket.freePort(), LoopbackSocket.freePort(isDatagram: true))
        let guest = try await LinuxSession.boot {
            var network = NATNetworkDeviceAttachment()
            network.reachesHostLoopback = true
            network.publishedPorts = [
                PublishedPort(hostPort: tcp, guestPort: 80, hostAddress: "127.0.0.1"),
                PublishedPort(hostPort: udp, guestPort: 5000, transportProtocol: .udp, hostAddress: "127.0.0.1"),
            ]
            $0.networkDevices = [VirtioNetworkDeviceConfiguration(attachment: network)]
        }
        func run(_ command: String) async throws -> String {
            try await LinuxSession.run(command, in: guest, within: .seconds(180))
        }

        // By DHCP, without anybody's doing.
        #expect(try await run("\(Self.untilAddress); cat /etc/resolv.conf") == "nameserver 10.0.2.3\n")
        #expect(try await run("ip addr show dev eth0").contains("inet 10.0.2.15/24 "))
        #expect(try await run("ip route").contains("default via 10.0.2.2 dev eth0"))
        #expect(try await run("cat /sys/class/net/eth0/mtu") == "65520\n")

        // Streams, every byte in its place: two megabytes to the host and back.
        let taking = Task.detached { server.accept(within: Self.patience)?.receive(16 << 20) ?? [] }
        _ = try await run("nc 10.0.2.2 \(server.port) < /bin/busybox")
        let program = await taking.value
        #expect(program.count > 1_000_000)
        let giving = Task.detached { server.accept(within: Self.patience)?.send(program) }
        _ = try await run("nc 10.0.2.2 \(server.port) < /dev/null > /tmp/received")
        await giving.value
        #expect(try await run("cmp /bin/busybox /tmp/received && echo same") == "same\n")

        // Datagrams: RFC 1350's read request, and the first block of data, which is the last.
        let block: [UInt8] = [0, 3, 0, 1] + Array("by datagram\n".utf8)
        let serving = Task.detached {
            var request: [UInt8] = []
            datagrams.answer(within: Self.patience) {
                request = $0
                return block
            }
            return request
        }
        #expect(
            try await run("tftp -g -l /tmp/file -r name 10.0.2.2 \(datagrams.port); cat /tmp/file") == "by datagram\n")
        #expect(await serving.value.starts(with: [0, 1] + Array("name\0octet\0".utf8)))

        // The host's published ports are the guest's.
        _ = try await run("{ nc -l -p 80 < /etc/udhcpc > /tmp/asked & }")
        _ = try await run("while ! grep -q :0050 /proc/net/tcp; do sleep 0.2; done")
        let client = try #require(LoopbackSocket.connect(to: tcp))
        client.send("GET\n")
        #expect(client.receiveText(10) == "#!/bin/sh\n")
        shutdown(client.raw, Int32(SHUT_RDWR))
        #expect(try await run("wait; cat /tmp/asked") == "GET\n")
        // A client of the guest's takes the first block from whoever sends it to the port that it has.
        _ = try await run("echo 5000 5000 > /proc/sys/net/ipv4/ip_local_port_range")
        let asking = Task.detached {
            let socket = LoopbackSocket.connect(to: udp, isDatagram: true)
            for _ in 0..<240 where socket?.isReady(POLLIN, 500) == false { socket?.send(block) }
            return socket?.receive(4)
        }
        #expect(
            try await run("tftp -g -l /tmp/other -r name 10.0.2.2 \(datagrams.port); cat /tmp/other")
                == "by datagram\n")
        #expect(await asking.value == [0, 4, 0, 1])

        try guest.send("poweroff\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
        #expect(LoopbackSocket.connect(to: tcp) == nil)
    }

    @Test func aMachineOutlivesItsHelperButNotTheOtherWay() throws {
        let (server, port) = (LoopbackSocket(), LoopbackSocket.freePort())
        let run = try CommandRun(defaultGuest: ["-p", "127.0.0.1:\(port):80"])
        try run.expect("# ")
        #expect(try run.shell("\(Self.untilAddress); cat /etc/resolv.conf") == "nameserver 10.0.2.3\n")

        // The host's loopback interface is the host's.
        #expect(try run.shell("nc 10.0.2.2 \(server.port) < /dev/null; echo $?").hasSuffix("1\n"))
        #expect(!server.descriptor.isReady())

        // Without its helper, the guest sees its link down until there is another one.
        let counter = "/sys/class/net/eth0/carrier_down_count"
        let before = try run.shell("cat \(counter)").replacing("\n", with: "")
        let helper = try #require(Self.helpers(of: run).first)
        kill(helper, SIGKILL)
        _ = try run.shell("while [ $(cat \(counter)) = \(before) ]; do sleep 0.2; done")
        #expect(run.errors.split(separator: "\n").count == 1 && run.errors.contains("user network"), "\(run.errors)")
        _ = try run.shell("while [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do sleep 0.2; done")
        let helpers = Self.helpers(of: run)
        #expect(helpers.count == 1 && helpers != [helper])
        #expect(try run.shell("ping -c 1 -W 20 10.0.2.2").contains("1 packets received"))
        #expect(LoopbackSocket.connect(to: port) != nil)

        run.process.send(SIGKILL)
        #expect(run.process.ending() == .killed(signal: SIGKILL))
        #expect(eventually { kill(helpers[0], 0) != 0 && LoopbackSocket.connect(to: port) == nil })
    }

    @Test func theHelperWaitsForTheDriver() throws {
        let run = try CommandRun(GuestCode.print("R") + GuestCode.spin)
        #expect(run.output?.receiveText(1) == "R")
        #expect(Self.helpers(of: run).isEmpty)
        run.process.send(SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
        #expect(run.errors == "")
    }

    @Test func publishedPortsDoNotWait() throws {
        let port = LoopbackSocket.freePort()
        let run = try CommandRun(
            GuestCode.print("R") + GuestCode.spin, ["--network", "user", "-p", "127.0.0.1:\(port):80"])
        #expect(run.output?.receiveText(1) == "R")
        #expect(Self.helpers(of: run).count == 1)
        #expect(LoopbackSocket.connect(to: port) != nil)
        run.process.send(SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
        #expect(LoopbackSocket.connect(to: port) == nil)
    }

    @Test(
        arguments: [([], 0), (["--network", "user"], 1), (["-p", "8080:80"], 1), (["--network", "none"], 0)]
            as [([String], Int32)])
    func withoutAHelperOnlyTheDefaultIsLeftOut(options: [String], status: Int32) throws {
        let run = try CommandRun(
            GuestCode.powerOff, options, environment: ["CAISSON_SLIRP": "/nonexistent/caisson-slirp"])
        #expect(run.status() == status)
        let lines = run.errors.split(separator: "\n")
        #expect(lines.count == (options == ["--network", "none"] ? 0 : 1))
        #expect(lines.allSatisfy { $0.contains("there is no /nonexistent/caisson-slirp") })
    }

    /// The helpers that the machine's process has started.
    private static func helpers(of run: CommandRun) -> [pid_t] {
        let processes = names(in: "/proc").compactMap { pid_t($0) }
        return processes.filter { process in
            // What is behind the name in parentheses: state and parent.
            guard let stat = try? HostFile.text(of: "/proc/\(process)/stat"), stat.contains("(caisson-slirp)"),
                let end = stat.lastIndex(of: ")")
            else { return false }
            return stat[end...].split(separator: " ").dropFirst(2).first.flatMap { pid_t($0) } == run.process.id
        }
    }
}
