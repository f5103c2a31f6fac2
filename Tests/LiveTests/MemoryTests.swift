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
}
