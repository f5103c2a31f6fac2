import GuestMemory
import Testing
import Virtio

@testable import Devices

/// The registers of virtio over MMIO, as virtio 1.2, 4.2.2 and 3.1 say them.
@Suite struct VirtioMMIOTests {
    private func bench() throws -> MMIOBench<RecordingVirtioDevice> { try MMIOBench(RecordingVirtioDevice()) }

    @Test func identification() throws {
        let bench = try bench()
        #expect(bench.read(.magic) == 0x7472_6976)
        #expect(bench.read(.version) == 2)
        #expect(bench.read(.deviceID) == 2)
        #expect(bench.read(.vendorID) != 0)
        #expect(bench.read(.status) == 0)
        #expect(bench.read(.sharedMemoryLengthLow) == .max)
        #expect(bench.read(.sharedMemoryLengthHigh) == .max)
    }

    @Test func writeOnlyRegistersReadZero() throws {
        let bench = try bench()
        bench.negotiate()
        bench.setUp(queue: 0, bench.place(queue: 0, size: 8))
        for register in [
            MMIORegister.deviceFeaturesSelect, .driverFeatures, .driverFeaturesSelect, .queueSelect, .queueSize,
            .queueNotify, .interruptAcknowledge, .descriptorTableLow, .driverAreaLow, .deviceAreaHigh,
        ] {
            #expect(bench.read(register) == 0, "\(register)")
        }
    }

    @Test(arguments: [1, 2, 8]) func registersAreThirtyTwoBitsWide(width: Int) throws {
        let bench = try bench()
        #expect(bench.transport.read(offset: 0, width: width) == 0)
        bench.transport.write(offset: MMIORegister.status.rawValue, width: width, value: 1)
        #expect(bench.status == [])
    }

    @Test func unalignedAndUnknownRegistersAreNotThere() throws {
        let bench = try bench()
        for offset: UInt64 in [0x001, 0x002, 0x006, 0x018, 0x05c, 0x0c0, 0x0f8] {
            #expect(bench.transport.read(offset: offset, width: 4) == 0)
            bench.transport.write(offset: offset, width: 4, value: .max)
        }
        #expect(bench.status == [] && bench.log.failures.isEmpty)
    }

    @Test func offersCommonAndOwnFeatures() throws {
        let bench = try bench()
        #expect(bench.offered == bench.device.features.union(.common))
        bench.write(.deviceFeaturesSelect, 2)
        #expect(bench.read(.deviceFeatures) == 0)
        bench.write(.deviceFeaturesSelect, .max)
        #expect(bench.read(.deviceFeatures) == 0)
    }

    struct Negotiation: Sendable {
        let wanted: VirtioFeatures
        let isAccepted: Bool
    }

    @Test(arguments: [
        Negotiation(wanted: .common, isAccepted: true),
        Negotiation(wanted: .version1, isAccepted: true),
        Negotiation(wanted: [.version1, VirtioFeatures(rawValue: 1 << 5)], isAccepted: true),
        // Version 1 is a must, and nothing that was not offered is accepted.
        Negotiation(wanted: [], isAccepted: false),
        Negotiation(wanted: .indirectDescriptors, isAccepted: false),
        Negotiation(wanted: [.version1, VirtioFeatures(rawValue: 1 << 6)], isAccepted: false),
        Negotiation(wanted: [.version1, VirtioFeatures(rawValue: 1 << 34)], isAccepted: false),
    ])
    func negotiates(_ negotiation: Negotiation) throws {
        let bench = try bench()
        bench.negotiate(negotiation.wanted)
        #expect(bench.status.contains(.featuresOK) == negotiation.isAccepted)
        bench.start()
        #expect(bench.device.state.isActive == negotiation.isAccepted)
        #expect(bench.status.contains(.needsReset) == !negotiation.isAccepted)
        #expect(bench.log.failures == (negotiation.isAccepted ? [] : [.notNegotiated]))
        #expect(bench.device.state.activations.first?.features == (negotiation.isAccepted ? negotiation.wanted : nil))
    }

    @Test func featuresBeyondSixtyFourAreRefused() throws {
        let bench = try bench()
        bench.setStatus([.acknowledge, .driver])
        bench.accept(.common)
        bench.write(.driverFeaturesSelect, 2)
        bench.write(.driverFeatures, 1)
        bench.setStatus([.acknowledge, .driver, .featuresOK])
        #expect(!bench.status.contains(.featuresOK))
        // A reset forgets it.
        bench.negotiate()
        #expect(bench.status.contains(.featuresOK))
    }

    @Test func featuresFreezeWhenAgreedOn() throws {
        let bench = try bench()
        bench.negotiate(.version1)
        bench.accept(.common)
        bench.start()
        #expect(bench.device.state.activations.first?.features == .version1)
    }

    @Test func statusBitsAreSetNotCleared() throws {
        let bench = try bench()
        bench.setStatus(.acknowledge)
        bench.setStatus(.driver)
        #expect(bench.status == [.acknowledge, .driver])
        bench.write(.status, 0xffff_ff80 | UInt32(VirtioStatus.needsReset.rawValue))
        #expect(bench.status == [.acknowledge, .driver, .failed])
        bench.setStatus([])
        #expect(bench.status == [])
    }

    @Test func queuesAreSetUpAndHandedOver() throws {
        let bench = try bench()
        bench.negotiate()
        bench.write(.queueSelect, 0)
        #expect(bench.read(.queueSizeMaximum) == 256)
        bench.write(.queueSelect, 1)
        #expect(bench.read(.queueSizeMaximum) == 8)
        for missing: UInt32 in [2, 3, 0xffff, 0x1_0000, .max] {
            bench.write(.queueSelect, missing)
            #expect(bench.read(.queueSizeMaximum) == 0)
            #expect(bench.read(.queueReady) == 0)
            bench.write(.queueSize, 8)
            bench.write(.queueReady, 1)
        }
        let state = bench.place(queue: 1, size: 4)
        bench.setUp(queue: 1, state)
        #expect(bench.read(.queueReady) == 1)
        bench.start()
        #expect(bench.device.state.activations.first?.queues == [nil, state])
        #expect(bench.log.failures.isEmpty)
    }

    @Test(arguments: [0, 3, 5, 255, 512, 0x1_0000, 0x1_0008, 0x8000_0000, .max] as [UInt32])
    func wrongQueueSizesBreakTheDevice(size: UInt32) throws {
        let bench = try bench()
        bench.negotiate()
        bench.write(.queueSelect, 0)
        bench.write(.queueSize, size)
        #expect(bench.log.failures == [.queueSize(queue: 0, size: size, maximum: 256)])
        #expect(bench.status.contains(.needsReset))
        bench.setUp(queue: 0, bench.place(queue: 0, size: 8))
        bench.start()
        #expect(!bench.device.state.isActive)
        // Once.
        bench.write(.queueReady, 0)
        bench.write(.queueSize, 3)
        #expect(bench.log.failures.count == 1)
        bench.negotiate()
        #expect(!bench.status.contains(.needsReset))
    }

    @Test func wrongQueuePlacesBreakTheDevice() throws {
        for (change, area) in [
            ({ $0.descriptorTable = GuestAddress(0x10_0000 - 16) }, VirtqueueError.Area.descriptorTable),
            ({ $0.availableRing = 0xd000_0000 }, .availableRing),
            ({ $0.usedRing = GuestAddress(.max - 3) }, .usedRing),
        ] as [((inout VirtqueueState) -> Void, VirtqueueError.Area)] {
            let bench = try bench()
            bench.negotiate()
            var state = bench.place(queue: 0, size: 8)
            change(&state)
            bench.setUp(queue: 0, state)
            #expect(bench.read(.queueReady) == 0)
            guard case .queue(0, .areaOutsideRAM(area, _, _)) = bench.log.failures.first else {
                Issue.record("\(bench.log.failures)")
                continue
            }
            #expect(bench.status.contains(.needsReset))
        }
    }

    // Firecracker's CVE-2026-5747 and QEMU's CVE-2026-50626 were of this kind.
    @Test func queuesFreezeWhenTheDriverIsReady() throws {
        let bench = try bench()
        bench.negotiate()
        let state = bench.place(queue: 0, size: 8)
        bench.setUp(queue: 0, state)
        // Already while the queue is ready.
        bench.write(.queueSize, 256)
        bench.write(.descriptorTableLow, 0x9000)
        bench.start()
        bench.write(.queueSize, 256)
        bench.write(.queueSize, 77)
        bench.write(.usedRingLow, 0)
        bench.write(.queueReady, 0)
        bench.write(.queueSelect, 1)
        bench.write(.queueSize, 4)
        bench.write(.queueReady, 1)
        #expect(bench.device.state.activations.map(\.queues) == [[state, nil]])
        #expect(bench.read(.queueReady) == 0)
        bench.write(.queueSelect, 0)
        #expect(bench.read(.queueReady) == 1)
        #expect(bench.log.failures.isEmpty)
        #expect(bench.transport.state?.control.queues[0].state(.common) == state)
    }

    @Test func notificationsRingOnceTheDriverIsReady() throws {
        let bench = try bench()
        bench.write(.queueNotify, 0)
        #expect(bench.rings.take().isEmpty)
        _ = try bench.startWithDrivers()
        bench.write(.queueNotify, 1)
        bench.write(.queueNotify, 2)
        bench.write(.queueNotify, .max)
        #expect(bench.rings.take() == [1])
        bench.transport.queueNotified(1)
        #expect(bench.device.state.notified == [1])
        bench.setStatus([])
        bench.write(.queueNotify, 0)
        bench.transport.queueNotified(0)
        #expect(bench.rings.take().isEmpty && bench.device.state.notified == [1])
    }

    @Test func interruptsTellWhyUntilAcknowledged() throws {
        let bench = try bench()
        _ = try bench.startWithDrivers()
        let notifier = try #require(bench.device.state.activations.first?.notifier)
        notifier.queueUsed(0)
        #expect(bench.read(.interruptStatus) == 1 && bench.interrupt.edges == 1)
        notifier.configurationChanged()
        // An edge each, though the first is not acknowledged: nothing waits for a lost one.
        #expect(bench.read(.interruptStatus) == 3 && bench.interrupt.edges == 2)
        bench.write(.interruptAcknowledge, 1)
        #expect(bench.read(.interruptStatus) == 2)
        bench.write(.interruptAcknowledge, .max)
        #expect(bench.read(.interruptStatus) == 0)
    }

    @Test func resetVoidsWhatWasPending() throws {
        let bench = try bench()
        _ = try bench.startWithDrivers()
        let notifier = try #require(bench.device.state.activations.first?.notifier)
        notifier.queueUsed(1)
        notifier.fail(.queue(0, .invalidSize(3)))
        #expect(bench.status.contains(.needsReset))
        #expect(bench.read(.interruptStatus) == 3)
        bench.setStatus([])
        #expect(bench.device.state.resets == 1)
        #expect(bench.status == [] && bench.read(.interruptStatus) == 0)
        let edges = bench.interrupt.edges
        // Too late.
        notifier.queueUsed(1)
        notifier.configurationChanged()
        notifier.serveAgain(queue: 0)
        #expect(bench.interrupt.edges == edges && bench.rings.take().isEmpty)
        // A second reset finds nobody active.
        bench.setStatus([])
        #expect(bench.device.state.resets == 1 && bench.device.state.broken == [])
    }

    @Test func configurationSpaceIsReadByAnyWidth() throws {
        let bench = try bench()
        func read(_ offset: UInt64, _ width: Int) -> UInt64 {
            bench.transport.read(offset: 0x100 + offset, width: width)
        }
        #expect(read(0, 1) == 1 && read(1, 2) == 0x0302 && read(4, 4) == 0x0807_0605)
        #expect(read(0, 8) == 0x0807_0605_0403_0201)
        // Zeros behind the end.
        #expect(read(11, 1) == 12 && read(11, 4) == 12 && read(12, 8) == 0 && read(0xeff, 8) == 0)
        let generation = bench.read(.configurationGeneration)
        bench.device.configuration.store(0xaabb as UInt16, at: 2)
        #expect(read(2, 2) == 0xaabb && bench.read(.configurationGeneration) != generation)
        bench.transport.write(offset: 0x100, width: 1, value: 7)
        #expect(bench.device.state.configurationWrites == [7] && read(0, 1) == 1)
    }
}

extension MMIORegister {
    fileprivate static var usedRingLow: Self { .deviceAreaLow }
}
