import Caisson
import Glibc
import SystemPackage
import TestSupport
import Testing

/// What Linux's drivers make of the virtio devices.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .timeLimit(.minutes(5)))
struct LinuxDeviceTests {
    @Test func disksAndEntropyWork() async throws {
        let folder = Folder()
        let first = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 512) }
        let readOnly = folder.file("read-only", first)
        let written = folder.file("written", [UInt8](repeating: 0, count: 65_536))
        let kept = folder.file("kept", first)
        let guest = try await LinuxSession.boot {
            var disk = VirtioBlockDeviceConfiguration(
                attachment: DiskImageStorageDeviceAttachment(path: FilePath(readOnly), readOnly: true))
            disk.blockDeviceIdentifier = "first"
            var snapshot = DiskImageStorageDeviceAttachment(path: FilePath(kept))
            snapshot.discardsChanges = true
            var limited = VirtioBlockDeviceConfiguration(attachment: ScratchStorageDeviceAttachment(size: 4 << 20))
            limited.rateLimit.bytesPerSecond = 1 << 20
            limited.rateLimit.byteBurst = 128 << 10
            $0.storageDevices = [
                disk,
                VirtioBlockDeviceConfiguration(attachment: DiskImageStorageDeviceAttachment(path: FilePath(written))),
                VirtioBlockDeviceConfiguration(attachment: snapshot),
                VirtioBlockDeviceConfiguration(attachment: ScratchStorageDeviceAttachment(size: 1 << 30)),
                limited,
            ]
            $0.entropyDevices = [VirtioEntropyDeviceConfiguration()]
        }
        func run(_ command: String) async throws -> String { try await LinuxSession.run(command, in: guest) }

        #expect(try await run("cat /sys/block/vd?/size") == "128\n128\n128\n2097152\n8192\n")
        #expect(try await run("cat /sys/block/vda/serial; echo").hasPrefix("first"))
        #expect(try await run("cat /sys/block/vd?/ro") == "1\n0\n0\n0\n0\n")
        #expect(try await run("cat /sys/block/vdb/queue/write_cache") == "write back\n")

        // Every byte, from one disk to others and back.
        #expect(try await run("cat /dev/vda > /dev/vdb; sync; cmp /dev/vda /dev/vdb && echo same") == "same\n")
        #expect(
            try await run(
                "dd if=/dev/zero of=/dev/vdc bs=4k count=2 conv=notrunc,fsync 2>/dev/null; cmp /dev/vda /dev/vdc"
            )
            .contains("differ"))
        #expect(
            try await run(
                "echo end | dd of=/dev/vdd bs=512 seek=2097151 conv=notrunc,fsync 2>/dev/null; tail -c 512 /dev/vdd | head -n 1"
            )
                == "end\n")
        #expect(try await run("echo x > /dev/vda").contains("not permitted"))
        #expect(try await run("cat /proc/interrupts").contains("virtio3"))

        // What is limited takes its time: 2 MiB at 1 MiB/s, less what may go at once.
        let begin = ContinuousClock.now
        #expect(try await run("head -c 2097152 /dev/vde | wc -c") == "2097152\n")
        #expect(ContinuousClock.now - begin >= .milliseconds(1850))

        // Random numbers of the host's.
        #expect(try await run("cat /sys/class/misc/hw_random/rng_current") == "virtio_rng.0\n")
        #expect(try await run("head -c 64 /dev/hwrng | wc -c") == "64\n")

        try guest.send("poweroff\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
        #expect(bytes(of: written) == first)
        #expect(bytes(of: kept) == first && bytes(of: readOnly) == first)
    }

    /// Without ACPI, and without a word of devices on the command line.
    @Test func aDeviceTreeTellsOfAll() async throws {
        let guest = try await LinuxSession.boot {
            $0.hardwareDescription = .deviceTree
            $0.cpuCount = 2
            $0.storageDevices = [.init(attachment: ScratchStorageDeviceAttachment(size: 1 << 20))]
            $0.entropyDevices = [VirtioEntropyDeviceConfiguration()]
        }
        func run(_ command: String) async throws -> String { try await LinuxSession.run(command, in: guest) }

        #expect(try await run("tr -d '\\0' < /proc/device-tree/model; echo") == "Caisson\n")
        #expect(try await run("cat /proc/cmdline").contains("virtio_mmio") == false)
        #expect(try await run("cat /sys/block/vda/size; nproc") == "2048\n2\n")
        #expect(try await run("cat /sys/class/misc/hw_random/rng_current").hasPrefix("virtio_rng"))
        #expect(
            try await run("echo kept | dd of=/dev/vda conv=fsync 2>/dev/null; head -c 5 /dev/vda") == "kept\n")
        try guest.send("poweroff\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
    }

    private func bytes(of path: String) -> [UInt8] {
        let file = Descriptor.opening(path, O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = read(file.raw, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }
}
