import Caisson
import SystemPackage
import TestSupport
import Testing

/// Machines whose guests have all hands full.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .timeLimit(.minutes(10)))
struct LinuxLoadTests {
    private static let size = 256 << 10

    /// Processes that come and go, a disk, pipes and timers on all processors, stopped and let go on all the while.
    @Test(arguments: [2, 4]) func pausesDoNoHarm(processorCount: Int) async throws {
        let folder = Folder()
        let disk = folder.file("disk", [UInt8](repeating: 0, count: 2 * Self.size))
        let guest = try await LinuxSession.boot("loglevel=4") {
            $0.cpuCount = processorCount
            $0.storageDevices = [
                VirtioBlockDeviceConfiguration(attachment: DiskImageStorageDeviceAttachment(path: FilePath(disk)))
            ]
        }
        _ = try await LinuxSession.run("\(LinuxSession.numbers(blocks: Self.size >> 16)) > /tmp/data", in: guest)
        let sum = try await LinuxSession.run("md5sum < /tmp/data", in: guest)
        try guest.send(
            "for i in $(seq \(processorCount)); do "
                + "(while [ ! -e /tmp/stop ]; do echo $i | tr 0-9 a-j | md5sum > /dev/null; sleep 0.01; done) & done; "
                + "(while [ ! -e /tmp/stop ]; do dd if=/tmp/data of=/dev/vda bs=64k conv=fsync 2> /dev/null; "
                + "dd if=/dev/vda of=/dev/vda bs=64k count=4 seek=4 2> /dev/null; done) & echo busy''now\n")
        try await guest.expect("busynow\r\n")
        var random = SeededGenerator(seed: UInt64(processorCount))
        for _ in 0..<25 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...200, using: &random)))
            try await guest.machine.pause()
            if Bool.random(using: &random) {
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...50, using: &random)))
            }
            try await guest.machine.resume()
        }
        _ = try await LinuxSession.run("touch /tmp/stop; wait", in: guest, within: .seconds(240))
        let sums = try await LinuxSession.run(
            "head -c \(Self.size) /dev/vda | md5sum; dd if=/dev/vda bs=64k skip=\(Self.size >> 16) 2> /dev/null | md5sum",
            in: guest, within: .seconds(120))
        #expect(sums == sum + sum)
        // What watches over processors and locks saw nothing.
        let complaints = try await LinuxSession.run(
            "dmesg | grep -c -E 'lockup|detected stall|blocked for more|I/O error|BUG:|WARNING:'", in: guest)
        #expect(complaints == "0\n")
        try guest.send("poweroff\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
    }

    @Test func aBusyGuestStopsAtOnce() async throws {
        let guest = try await LinuxSession.boot { $0.cpuCount = 4 }
        try guest.send("for i in 1 2 3 4 5 6; do (while :; do :; done) & done; echo busy''now\n")
        try await guest.expect("busynow\r\n")
        try await Task.sleep(for: .seconds(1))
        try await guest.machine.stop()
        #expect(guest.machine.state == .stopped)
    }
}
