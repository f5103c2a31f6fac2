import Caisson
import SystemPackage
import TestSupport
import Testing

/// Debian's root file system on the default guest's kernel. Time limits are for hosts where the kernel is emulated.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .needsDebian, .timeLimit(.minutes(30)))
struct DebianTests {
    private static let patience = Duration.seconds(900)

    @Test func aDistributionWorksAndShutsDownByThePowerButton() async throws {
        let folder = Folder()
        let disk = try DebianGuest.copyOfDisk(in: DebianGuest.folder, to: folder)
        let guest = try await boot(disk)
        #expect(
            try await run("systemctl is-system-running --wait; systemctl --failed --plain -q", in: guest) == "running\n"
        )
        #expect(try await run(". /etc/os-release; echo $ID $VERSION_ID", in: guest) == "debian 12\n")
        #expect(
            try await run("test $(mountpoint -d /) = $(cat /sys/block/vda/dev) && echo same", in: guest) == "same\n")
        #expect(
            try await run("basename $(readlink /sys/class/net/eth0/device/driver)", in: guest) == "virtio_net\n")
        #expect(try await run("echo kept > /root/file; cat /root/file", in: guest) == "kept\n")

        try guest.machine.requestStop()
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
        // Unmounted: neither a journal to replay nor a fault.
        let check = Child.run("/sbin/e2fsck", ["-f", "-n", disk.string])
        #expect(check.status == 0, "\(check.output)\(check.errors)")
        let head = Child.run("/sbin/dumpe2fs", ["-h", disk.string]).output
        #expect(head.contains("clean") && !head.contains("needs_recovery"), "\(head)")
        let file = Child.run("/sbin/debugfs", ["-R", "cat /root/file", disk.string])
        #expect(file.output == "kept\n", "\(file.errors)")
    }

    @Test func aptInstallsThroughTheUserNetwork() async throws {
        let folder = Folder()
        let guest = try await boot(try DebianGuest.copyOfDisk(in: DebianGuest.folder, to: folder))
        let server = try PackageServer()
        let serving = Task.detached { server.serve() }

        // By networkd's DHCP client.
        let untilRoute = "until ip route | grep -q default; do sleep 10; done"
        #expect(
            try await run("\(untilRoute); ip route", in: guest).contains("default via 10.0.2.2 dev eth0 proto dhcp"))
        #expect(try await run("ip -4 -o addr show dev eth0", in: guest).contains("inet 10.0.2.15/24 "))

        // apt, through the network address translation, from the host's loopback interface.
        let source = "deb [trusted=yes] http://10.0.2.2:\(server.port)/ ./"
        _ = try await run("echo '\(source)' > /etc/apt/sources.list", in: guest)
        let package = PackageServer.package
        #expect(try await run("apt-get -q update && echo up''dated", in: guest).contains("updated\n"))
        #expect(
            try await run("apt-get -q -y install \(package) && echo in''stalled", in: guest).contains("installed\n"))
        #expect(try await run("cat /usr/share/\(package)", in: guest) == "\(PackageServer.greeting)\n")
        #expect(server.requests == ["/Release", "/Packages", "/package.deb"])
        server.stop()
        await serving.value
        try guest.machine.requestStop()
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
    }

    /// The system of a disk, which it changes, logged in to.
    private func boot(_ disk: FilePath) async throws -> TestMachine {
        let kernel = FilePath("\(try #require(DefaultGuest.folder))/vmlinux")
        let loader = LinuxBootLoader(
            kernel: kernel, commandLine: "quiet root=/dev/vda rw TERM=dumb systemd.show_status=no")
        let guest = try TestMachine(loader) {
            $0.memorySize = 256 << 20
            $0.storageDevices = [.init(attachment: DiskImageStorageDeviceAttachment(path: disk))]
            $0.entropyDevices = [VirtioEntropyDeviceConfiguration()]
            var network = NATNetworkDeviceAttachment()
            network.reachesHostLoopback = true
            $0.networkDevices = [VirtioNetworkDeviceConfiguration(attachment: network)]
        }
        try await guest.machine.start()
        try await DebianGuest.logIn(to: guest, within: Self.patience)
        return guest
    }

    private func run(_ command: String, in guest: TestMachine) async throws -> String {
        try await LinuxSession.run(command, in: guest, within: Self.patience)
    }
}
