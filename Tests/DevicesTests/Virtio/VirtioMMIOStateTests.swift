import GuestMemory
import Testing
import Virtio

@testable import Devices

/// Saving a transport and its device, and putting another one into that state.
@Suite struct VirtioMMIOStateTests {
    private func bench() throws -> MMIOBench<RecordingVirtioDevice> { try MMIOBench(RecordingVirtioDevice()) }

    @Test func aRestoredTransportGoesOn() throws {
        let old = try bench()
        _ = try old.startWithDrivers()
        old.write(.queueSelect, 1)
        old.write(.deviceFeaturesSelect, 1)
        old.device.state.activations.first?.notifier.queueUsed(0)
        let saved = try #require(old.transport.state)

        let new = try bench()
        try new.transport.restore(saved)
        #expect(new.transport.state == saved)
        #expect(new.status == old.status)
        #expect(new.device.state.activations.map(\.queues) == old.device.state.activations.map(\.queues))
        #expect(new.read(.interruptStatus) == 1 && new.interrupt.edges == 1)
        #expect(new.read(.queueSizeMaximum) == 8)
        #expect(new.read(.deviceFeatures) == old.read(.deviceFeatures))
    }

    @Test func aBrokenDeviceStaysBroken() throws {
        let old = try bench()
        _ = try old.startWithDrivers()
        old.device.state.activations.first?.notifier.fail(.notNegotiated)
        let saved = try #require(old.transport.state)
        let new = try bench()
        try new.transport.restore(saved)
        #expect(new.status.contains(.needsReset))
        #expect(new.device.state.activations.isEmpty)
        // The reason was told before.
        #expect(new.log.failures.isEmpty)
    }

    @Test func statesThatCannotBeAreRefused() throws {
        let old = try bench()
        _ = try old.startWithDrivers()
        let good = try #require(old.transport.state)
        let changes: [(inout VirtioMMIOTransport.State) -> Void] = [
            { $0.interruptStatus = 4 },
            { $0.control.status.insert(VirtioStatus(rawValue: 0x10)) },
            { $0.control.status.remove(.featuresOK) },
            { $0.control.driverFeatures.remove(.version1) },
            { $0.control.driverFeatures.insert(VirtioFeatures(rawValue: 1 << 60)) },
            { $0.control.wantsUnknownFeatures = true },
            { $0.control.queues.removeLast() },
            { $0.control.queues[0].size = 0 },
            { $0.control.queues[1].size = 16 },
            { $0.control.queues[0].descriptorTable = 0xffff_ffff_ffff_fff0 },
            { $0.control.queues[0].usedRing = $0.control.queues[0].descriptorTable },
        ]
        for (index, change) in changes.enumerated() {
            var state = good
            change(&state)
            let new = try bench()
            #expect(throws: DeviceStateError.self, "change \(index)") { try new.transport.restore(state) }
            #expect(new.status == [] && new.device.state.activations.isEmpty)
            #expect(new.interrupt.edges == 0)
        }
    }
}
