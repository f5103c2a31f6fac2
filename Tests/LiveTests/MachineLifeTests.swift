import CLinux
import Caisson
import SystemPackage
import TestSupport
import Testing

/// The life of a machine, by guests of a few bytes.
@Suite(.serialized, .needsKVM, .timeLimit(.minutes(1)))
struct MachineLifeTests {
    @Test func protectedModeReachesTheConsole() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.print("P") + GuestCode.spin))
        try await guest.machine.start()
        try await guest.expect("P")
        try await guest.machine.stop()
        #expect(try await guest.machine.waitUntilStopped() == .stopped)
        #expect(guest.machine.state == .stopped)
    }

    @Test func longModeReachesTheConsole() async throws {
        // mov rax, 0x4c << 32; shr rax, 32; mov dx, 0x3f8; out dx, al
        let code: [UInt8] = [
            0x48, 0xb8, 0, 0, 0, 0, 0x4c, 0, 0, 0, 0x48, 0xc1, 0xe8, 0x20, 0x66, 0xba, 0xf8, 0x03, 0xee,
        ]
        let guest = try TestMachine(kernel: TestKernel.long(code + GuestCode.spin))
        try await guest.machine.start()
        try await guest.expect("L")
        try await guest.machine.stop()
    }

    @Test func pinnedProcessorsStayWhereTheyAre() async throws {
        // Where there is one processor only, every thread stays on it.
        guard let last = Host.lastOfSeveralProcessors else { return }
        let before = Host.threads(on: last)
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.print("P") + GuestCode.spin)) {
            $0.cpuCount = 2
            $0.cpuAffinity = [last, last]
        }
        try await guest.machine.start()
        try await guest.expect("P")
        #expect(Host.threads(on: last).count == before.count + 2)
        try await guest.machine.stop()
        // Their threads are anybody's again.
        #expect(Host.threads(on: last) == before)
    }

    @Test func aProcessorThatTheHostLacksIsNamed() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.spin)) { $0.cpuAffinity = [1023] }
        let error = await #expect(throws: VirtualMachineError.self) { try await guest.machine.start() }
        #expect(error?.code == .hostFailure && error?.message.contains("processor 1023") == true)
    }

    @Test func inputReachesTheGuest() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.echo))
        try await guest.machine.start()
        try guest.send("HAL")
        try await guest.expect("IBM")
        try await guest.machine.stop()
    }

    @Test(arguments: [UInt8(0), 1, 0x2a, 0xff])
    func theDebugExitPortEndsTheMachine(value: UInt8) async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.write(value, to: 0xf4) + GuestCode.spin)) {
            $0.hasDebugExitPort = true
        }
        #expect(try await guest.run() == .guestExited(status: value &<< 1 | 1))
    }

    @Test func withoutADebugExitPortNothingEnds() async throws {
        let guest = try TestMachine(
            kernel: TestKernel.multiboot(GuestCode.write(1, to: 0xf4) + GuestCode.print("N") + GuestCode.spin))
        try await guest.machine.start()
        try await guest.expect("N")
        try await guest.machine.stop()
    }

    @Test(arguments: [(UInt16(0x64), UInt8(0xfe)), (0x92, 0x01), (0xcf9, 0x06)])
    func everyWayToResetIsHeard(port: UInt16, value: UInt8) async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.write(value, to: port) + GuestCode.spin))
        #expect(try await guest.run() == .guestReset)
    }

    @Test func aResetStartsTheGuestAgain() async throws {
        let guest = try TestMachine(
            kernel: TestKernel.multiboot(GuestCode.print("R") + GuestCode.write(0xfe, to: 0x64) + GuestCode.spin)
        ) { $0.restartsOnReset = true }
        try await guest.machine.start()
        try await guest.expect("RRRR")
        try await guest.machine.stop()
        #expect(try await guest.machine.waitUntilStopped() == .stopped)
    }

    @Test func aResetAfterAPanicIsACrash() async throws {
        // mov word [0x472], 0x1234, as Linux does
        let mark: [UInt8] = [0x66, 0xc7, 0x05, 0x72, 0x04, 0, 0, 0x34, 0x12]
        let guest = try TestMachine(
            kernel: TestKernel.multiboot(mark + GuestCode.write(0xfe, to: 0x64) + GuestCode.spin)
        ) {
            $0.restartsOnReset = true
        }
        #expect(try await guest.run() == .guestCrashed(.panic))
    }

    @Test func thePanicNotifierIsHeard() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.write(1, to: 0x505) + GuestCode.spin))
        #expect(try await guest.run() == .guestCrashed(.panic))
    }

    @Test func aTripleFaultIsACrash() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.tripleFault)) { $0.restartsOnReset = true }
        #expect(try await guest.run() == .guestCrashed(.tripleFault))
    }

    @Test func haltingForGoodSwitchesOff() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.halt))
        #expect(try await guest.run() == .guestPoweredOff)
    }

    @Test func aPauseStopsTheGuest() async throws {
        // Prints without end.
        let code = GuestCode.print(".") + [0xeb, 0xf7]
        let guest = try TestMachine(kernel: TestKernel.multiboot(code))
        try await guest.machine.start()
        try await guest.expect("....")
        for _ in 0..<3 {
            try await guest.machine.pause()
            #expect(guest.machine.state == .paused)
            // What is on its way arrives.
            try await Task.sleep(for: .milliseconds(50))
            let before = guest.output.utf8.count
            try await Task.sleep(for: .milliseconds(50))
            #expect(guest.output.utf8.count == before)
            try await guest.machine.resume()
            while guest.output.utf8.count == before { try await Task.sleep(for: .milliseconds(1)) }
        }
        try await guest.machine.pause()
        try await guest.machine.stop()
        #expect(try await guest.machine.waitUntilStopped() == .stopped)
    }

    @Test func aBusyGuestStops() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.spin))
        try await guest.machine.start()
        try await guest.machine.stop()
        #expect(guest.machine.state == .stopped)
    }

    @Test func aMachineThatNobodyHoldsStops() async throws {
        let folder = Folder()
        let kernel = folder.file("kernel", TestKernel.multiboot(GuestCode.spin))
        let socket = "\(folder.path)/console"
        var configuration = VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: FilePath(kernel)))
        configuration.serialPorts = [.init(attachment: UnixSocketSerialPortAttachment(path: FilePath(socket)))]
        var machine: VirtualMachine? = try VirtualMachine(configuration: configuration)
        try await machine?.start()
        #expect(access(socket, F_OK) == 0)
        machine = nil
        // The socket goes with it.
        let deadline = ContinuousClock.now + .seconds(10)
        while access(socket, F_OK) == 0, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(5)) }
        #expect(access(socket, F_OK) != 0)
    }

    /// Neither a machine that ended nor those that its resets left behind keep memory and descriptors.
    @Test func nothingOfAMachineIsLeft() async throws {
        let before = Host.kernelMachines
        let reset = GuestCode.print("R") + GuestCode.write(0xfe, to: 0x64) + GuestCode.spin
        for code in [GuestCode.print("S") + GuestCode.halt, reset] {
            let guest = try TestMachine(kernel: TestKernel.multiboot(code)) { $0.restartsOnReset = true }
            try await guest.machine.start()
            if code == reset {
                try await guest.expect("RRRRRR")
                // The one that runs, and those on their way out.
                #expect(Host.kernelMachines <= before + 3)
                try await guest.machine.stop()
            }
            _ = try await guest.machine.waitUntilStopped()
        }
        #expect(eventually { Host.kernelMachines <= before })
    }

    @Test func aStoppedMachineStartsAgain() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(GuestCode.print("S") + GuestCode.halt))
        for _ in 0..<3 { #expect(try await guest.run() == .guestPoweredOff) }
        #expect(guest.output == "SSS")
    }

    @Test func severalMachinesRunAtOnce() async throws {
        try await withThrowingTaskGroup(of: VirtualMachine.StopReason.self) { group in
            for status in UInt8(0)..<8 {
                group.addTask {
                    let guest = try TestMachine(
                        kernel: TestKernel.multiboot(GuestCode.write(status, to: 0xf4) + GuestCode.spin)
                    ) { $0.hasDebugExitPort = true }
                    return try await guest.run()
                }
            }
            var statuses: Set<UInt8> = []
            for try await case .guestExited(let status) in group { statuses.insert(status) }
            #expect(statuses == Set((0..<8).map { $0 << 1 | 1 }))
        }
    }

    @Test func theClockIsRightToTheSecond() async throws {
        // Reads seconds, minutes and hours of the clock in binary form and prints them as bytes.
        func read(_ register: UInt8) -> [UInt8] {
            // mov al, register; out 0x70, al; in al, 0x71; mov dx, 0x3f8; out dx, al
            [0xb0, register, 0xe6, 0x70, 0xe4, 0x71, 0x66, 0xba, 0xf8, 0x03, 0xee]
        }
        let guest = try TestMachine(kernel: TestKernel.multiboot(read(0) + read(2) + read(4) + GuestCode.halt))
        let before = Int(time(nil))
        #expect(try await guest.run() == .guestPoweredOff)
        let after = Int(time(nil))
        let fields = guest.output.utf8.map { Int($0 >> 4) * 10 + Int($0 & 15) }
        try #require(fields.count == 3)
        let seen = fields[0] + 60 * fields[1] + 3600 * fields[2]
        let day = 86400
        #expect((seen - before % day + day) % day <= after - before)
    }
}
