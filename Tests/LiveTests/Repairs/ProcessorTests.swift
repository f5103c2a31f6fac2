import Caisson
import Glibc
import SystemPackage
import TestSupport
import Testing

/// What the processor's manual says, tried by a guest of its own on this host's KVM with its repairs.
@Suite(.serialized, .needsKVM, .needsAssembler, .timeLimit(.minutes(1)))
struct ProcessorTests {
    @Test func theProcessorKeepsToItsManual() async throws {
        let folder = Folder()
        let guest = try TestMachine(
            LinuxBootLoader(kernel: FilePath(Assembler.kernel("processor", in: folder))), in: folder)
        #expect(try await guest.run() == .guestPoweredOff)
        let lines = guest.output.split(separator: "\n")
        #expect(lines.last == "end")
        #expect(lines.dropLast().filter { !$0.hasSuffix(": ok") } == [])
        // It said something of each kind.
        for name in [
            "syscall by gs rcx", "plain syscall count", "user int stack", "user int refused error",
            "kernel int returns",
            "user canonical vector", "user write protected error", "user load again", "kernel increment again",
            "user fetch error", "mxcsr", "x87", "fxsave",
        ] {
            #expect(lines.contains("\(name): ok"), "\(name)")
        }
        #expect(lines.count > 100)
    }

    // MARK: Several processors

    /// A machine with four, whose guest starts three of them by itself.
    private func machineOfFour(_ symbol: String? = nil) throws -> TestMachine {
        let folder = Folder()
        let path = Assembler.kernel("processors", defining: symbol.map { [$0: 1] } ?? [:], in: folder)
        return try TestMachine(LinuxBootLoader(kernel: FilePath(path)), in: folder) { $0.cpuCount = 4 }
    }

    @Test func aProcessorStartsOthers() async throws {
        let guest = try machineOfFour()
        #expect(try await guest.run() == .guestPoweredOff)
        // All four ids, and no count lost.
        #expect(guest.output == "?y\n")
    }

    @Test func busyProcessorsPauseAndStop() async throws {
        for _ in 0..<20 {
            let guest = try machineOfFour("SPIN")
            try await guest.machine.start()
            try await guest.expect("?y\n")
            for _ in 0..<5 {
                try await guest.machine.pause()
                #expect(guest.machine.state == .paused)
                try await guest.machine.resume()
            }
            try await guest.machine.stop()
            #expect(guest.machine.state == .stopped)
        }
    }

    @Test func aResetEndsBusyProcessors() async throws {
        for _ in 0..<10 { #expect(try await machineOfFour("RESET").run() == .guestReset) }
    }

    @Test func anyProcessorsTripleFaultEndsTheMachine() async throws {
        #expect(try await machineOfFour("FAULT").run() == .guestCrashed(.tripleFault))
    }

    /// Only when all have halted for good.
    @Test func haltedProcessorsEndTheMachine() async throws {
        let guest = try machineOfFour("HALT")
        #expect(try await guest.run() == .guestPoweredOff)
        #expect(guest.output == "?y\n")
    }

    /// What nothing completes ends with a diagnosis.
    @Test func whatCannotBeExecutedIsTold() async throws {
        // An instruction that takes 16 bytes at once from where there is no RAM: no device can answer it.
        let guest = try TestMachine(
            kernel: TestKernel.long([
                0xb8, 0x00, 0x00, 0x00, 0xd8,  // mov eax, 0xd8000000
                0xf0, 0x48, 0x0f, 0xc7, 0x08,  // lock cmpxchg16b [rax]
                0xf4,
            ]))
        let error = await #expect(throws: VirtualMachineError.self) { try await guest.run() }
        if let error {
            #expect(error.code == .guestNotExecutable)
            for part in ["f0 48 0f c7 08", "rip", "rax"] {
                #expect(error.message.lowercased().contains(part), "\(part)")
            }
        }
    }
}
