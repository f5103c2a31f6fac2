import Caisson
import SystemPackage
import TestSupport
import Testing

/// Debian as it comes: its own kernel, initial RAM disk and root file system.
@Suite(.serialized, .needsKVM, .needsDebiansKernel, .timeLimit(.minutes(120)))
struct StockKernelTests {
    @Test func debiansKernelBootsToALogin() async throws {
        let copies = Folder()
        let disk = try DebianGuest.copyOfDisk(in: DebianGuest.stockFolder, to: copies)
        let folder = try #require(DebianGuest.stockFolder)
        let loader = LinuxBootLoader(
            kernel: FilePath("\(folder)/vmlinuz"), initialRamdisk: FilePath("\(folder)/initrd.img"),
            commandLine: "root=/dev/vda rw TERM=dumb")
        let guest = try TestMachine(loader) {
            $0.memorySize = 512 << 20
            $0.storageDevices = [.init(attachment: DiskImageStorageDeviceAttachment(path: disk))]
            $0.entropyDevices = [VirtioEntropyDeviceConfiguration()]
            $0.networkDevices = [VirtioNetworkDeviceConfiguration(attachment: NATNetworkDeviceAttachment())]
        }
        try await guest.machine.start()
        try await DebianGuest.logIn(to: guest, within: .seconds(3000))
        #expect(
            try await LinuxSession.run("uname -r", in: guest, within: .seconds(600)).hasSuffix("cloud-amd64\n"))
        try guest.machine.requestStop()
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
        let check = Child.run("/sbin/e2fsck", ["-f", "-n", disk.string])
        #expect(check.status == 0, "\(check.output)\(check.errors)")
    }
}
