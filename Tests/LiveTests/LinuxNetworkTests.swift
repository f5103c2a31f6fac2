import Caisson
import Foundation
import SystemPackage
import TestSupport
import Testing

/// What Linux's driver makes of the network device.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .timeLimit(.minutes(10)))
struct LinuxNetworkTests {
    /// Two machines with a cable between them, one of them under a limit: packets, streams of bytes both ways, and what becomes
    /// of the one that stays.
    @Test func twoMachinesAreLinked() async throws {
        let folder = Folder()
        let path = FilePath("\(folder.path)/cable")
        func boot(_ number: Int) async throws -> TestMachine {
            let address = MACAddress(string: "52:54:00:00:00:0\(number)")
            let guest = try await LinuxSession.boot {
                var device = VirtioNetworkDeviceConfiguration(attachment: LinkNetworkDeviceAttachment(path: path))
                if let address { device.macAddress = address }
                if number == 1 {
                    device.rateLimit.bytesPerSecond = 20_000
                    device.rateLimit.byteBurst = 20_000
                }
                $0.networkDevices = [device]
            }
            _ = try await LinuxSession.run("ip addr add 10.9.0.\(number)/24 dev eth0; ip link set eth0 up", in: guest)
            return guest
        }
        let first = try await boot(1)
        #expect(try await LinuxSession.run("cat /sys/class/net/eth0/carrier", in: first) == "0\n")
        let second = try await boot(2)
        #expect(try await LinuxSession.run("cat /sys/class/net/eth0/carrier", in: second) == "1\n")
        #expect(try await LinuxSession.run("cat /sys/class/net/eth0/address", in: second) == "52:54:00:00:00:02\n")
        #expect(try await LinuxSession.run("ping -c 3 -W 20 10.9.0.1", in: second).contains("3 packets received"))

        // A part of a file that both have, each byte in its place.
        for guest in [first, second] {
            _ = try await LinuxSession.run("head -c 300000 /bin/busybox > /tmp/sent", in: guest)
        }
        for (from, to, address) in [(first, second, "10.9.0.2"), (second, first, "10.9.0.1")] {
            _ = try await LinuxSession.run("{ nc -l -p 99 > /tmp/received & }", in: to)
            _ = try await LinuxSession.run("while ! grep -q :0063 /proc/net/tcp; do sleep 0.2; done", in: to)
            let begin = ContinuousClock.now
            _ = try await LinuxSession.run("nc \(address) 99 < /tmp/sent", in: from, within: .seconds(180))
            #expect(
                try await LinuxSession.run(
                    "wait; cmp /tmp/sent /tmp/received && echo same", in: to, within: .seconds(60))
                    == "same\n")
            // 280 kB have to wait for their turns.
            #expect(.now - begin > .seconds(14))
        }

        // The one that listened leaves: the other sees it, and waits for the next.
        try first.send("poweroff\n")
        #expect(try await first.machine.waitUntilStopped() == .guestPoweredOff)
        _ = try await LinuxSession.run(
            "while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 0.2; done", in: second)
        let third = try await boot(3)
        #expect(try await LinuxSession.run("ping -c 1 -W 20 10.9.0.2", in: third).contains("1 packets received"))
        for guest in [second, third] {
            try guest.send("poweroff\n")
            #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
        }
        #expect(!FileManager.default.fileExists(atPath: path.string))
    }
}
