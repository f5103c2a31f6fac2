import Caisson
import TestSupport
import Testing

/// What Linux makes of the memory balloon.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .timeLimit(.minutes(10)))
struct MemoryTests {
    private static let size: UInt64 = 128 << 20

    /// Waits until `condition` holds; says whether it came to that.
    private func waits(_ condition: () throws -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < deadline {
            if try condition() { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return try condition()
    }

    @Test func aGuestStartsWithTheMemoryThatItsBalloonLeaves() async throws {
        let guest = try await LinuxSession.boot {
            $0.memorySize = Self.size
            var balloon = VirtioTraditionalMemoryBalloonDeviceConfiguration()
            balloon.targetVirtualMachineMemorySize = 64 << 20
            $0.memoryBalloonDevices = [balloon]
            $0.restartsOnReset = true
        }
        let balloon = try #require(guest.machine.memoryBalloonDevices.first)
        #expect(try await waits { balloon.virtualMachineMemorySize == 64 << 20 })
        // A guest that starts anew has all its memory until its driver is there.
        try guest.send("reboot\n")
        #expect(try await waits { balloon.virtualMachineMemorySize == Self.size })
        try await guest.expect(LinuxSession.prompt, within: .seconds(180))
        #expect(try await waits { balloon.virtualMachineMemorySize == 64 << 20 })
        try await guest.machine.stop()
    }

    /// The host has the memory again: what the process holds becomes less.
    @Test func memoryGoesBackToTheHost() async throws {
        let mebibyte: UInt64 = 1 << 20
        let guest = try await LinuxSession.boot {
            $0.memorySize = Self.size
            $0.memoryBalloonDevices = [VirtioTraditionalMemoryBalloonDeviceConfiguration()]
        }
        func resident() -> UInt64 { guest.machine.statistics?.memory?.resident ?? .max }
        let balloon = try #require(guest.machine.memoryBalloonDevices.first)
        _ = try await LinuxSession.run(
            "dd if=/dev/zero of=/tmp/full bs=1M count=16 2> /dev/null; rm /tmp/full", in: guest, within: .seconds(180))
        let full = resident()
        #expect(full > 16 * mebibyte && full < Self.size)
        let target = full / mebibyte * mebibyte - 8 * mebibyte
        balloon.targetVirtualMachineMemorySize = target
        #expect(try await waits { balloon.virtualMachineMemorySize == target })
        #expect(resident() <= target + 2 * mebibyte)
        balloon.targetVirtualMachineMemorySize = Self.size
        #expect(try await waits { balloon.virtualMachineMemorySize == Self.size })
        try await guest.machine.stop()
    }

    /// Linux reports free pages in blocks of 4 MiB, and only while 128 MiB are free beside.
    @Test func freePagesAreReported() async throws {
        let guest = try await LinuxSession.boot {
            $0.memorySize = 384 << 20
            $0.memoryBalloonDevices = [VirtioTraditionalMemoryBalloonDeviceConfiguration()]
        }
        // Queue 4 is for reports, or 3 to a driver that numbers its queues without gaps.
        func reports() -> UInt64 {
            guest.machine.statistics?.devices.first?.queues.dropFirst(3).reduce(0) { $0 + $1.requests } ?? 0
        }
        #expect(try await waits { reports() > 0 })
        try await guest.machine.stop()
    }

    @Test(arguments: [MemoryBackingMode.shared, .mergeable, .transparentHugePages])
    func everyBackingRunsAGuest(backing: MemoryBackingMode) async throws {
        let guest = try await LinuxSession.boot {
            $0.memorySize = Self.size
            $0.memoryBacking = backing
        }
        let memory = try #require(guest.machine.statistics?.memory)
        #expect(memory.resident > 10 << 20 && memory.resident <= Self.size)
        #expect(try await LinuxSession.run("awk 'BEGIN { print 6 * 7 }'", in: guest) == "42\n")
        try await guest.machine.stop()
    }
}
