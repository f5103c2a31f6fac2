import Caisson
import Glibc
import SystemPackage
import TestSupport
import Testing

/// What a guest can do to its devices, on a machine that has one of each kind.
@Suite(.needsKVM, .needsAssembler, .timeLimit(.minutes(2)))
struct HostileGuestTests {
    @Test(arguments: [0x1234_5678, 0x9e37_79b9_7f4a_7c15, 0x0bad_cafe] as [UInt64])
    func theMachineOutlivesItsGuest(seed: UInt64) async throws {
        let folder = Folder()
        let disk = folder.file("disk", [UInt8](repeating: 0x55, count: 1 << 20))
        let kernel = Assembler.kernel("hostile", defining: ["SEED": seed, "ROUNDS": 10_000], in: folder)
        let guest = try TestMachine(LinuxBootLoader(kernel: FilePath(kernel)), in: folder) {
            var readOnly = DiskImageStorageDeviceAttachment(path: FilePath(disk))
            readOnly.isReadOnly = true
            $0.storageDevices = [
                .init(attachment: ScratchStorageDeviceAttachment(size: 1 << 20)), .init(attachment: readOnly),
            ]
            $0.networkDevices = [
                .init(attachment: LinkNetworkDeviceAttachment(path: FilePath("\(folder.path)/cable")))
            ]
            $0.socketDevices = [.init(path: FilePath("\(folder.path)/socket"))]
            $0.entropyDevices = [VirtioEntropyDeviceConfiguration()]
            $0.memoryBalloonDevices = [VirtioTraditionalMemoryBalloonDeviceConfiguration()]
            $0.consoleDevices = [
                .init(ports: [
                    .init(attachment: FileSerialPortAttachment(path: "/dev/null")),
                    .init(name: "a", attachment: PseudoterminalSerialPortAttachment()),
                ])
            ]
        }
        // Its balloon may well have given its own program back to the host.
        let reason = try await guest.run()
        #expect([.guestPoweredOff, .guestReset, .guestCrashed(.tripleFault)].contains(reason), "\(reason)")
        #expect(Descriptor.opening(disk, O_RDONLY).receive(1 << 20).allSatisfy { $0 == 0x55 })
        let statistics = try #require(guest.machine.statistics)
        #expect(statistics.processors[0].memoryAccesses > 500)
    }
}
