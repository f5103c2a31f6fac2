import CLinux
import GuestMemory
import Testing

@testable import SoftwareKVM

@Suite struct InstructionRepairTests {
    private static let start = Guest.kernel + 0x2_0000

    private func complete(
        _ code: [UInt8], _ change: (inout kvm_regs) -> Void = { _ in }
    ) throws -> (Guest, Diagnosis?) {
        let guest = try Guest()
        try guest.write(code, atKernel: Self.start)
        guest.cpu.general.rip = Self.start
        change(&guest.cpu.general)
        var repair = InstructionRepair(isNeeded: true)
        return (guest, try repair.emulationFailed(on: guest.cpu, guest.memory))
    }

    @Test func breakpointTrapsBehindItself() throws {
        let (guest, diagnosis) = try complete([0xcc])
        #expect(diagnosis == nil)
        #expect(guest.cpu.general.rip == Self.start + 1)
        #expect(guest.cpu.eventState.exception.injected == 1)
        #expect(guest.cpu.eventState.exception.nr == 3)
        #expect(guest.cpu.eventState.exception.has_error_code == 0)
    }

    @Test func softwareInterrupt() throws {
        let (guest, diagnosis) = try complete([0xcd, 0x80])
        #expect(diagnosis == nil)
        #expect(guest.cpu.general.rip == Self.start + 2)
        #expect(guest.cpu.eventState.interrupt.injected == 1)
        #expect(guest.cpu.eventState.interrupt.nr == 0x80)
        #expect(guest.cpu.eventState.interrupt.soft == 1)
    }

    @Test func alignmentCheckFlag() throws {
        let (set, _) = try complete([0x0f, 0x01, 0xcb])
        #expect(set.cpu.general.rflags == 0x4_0002)
        #expect(set.cpu.general.rip == Self.start + 3)
        let (cleared, _) = try complete([0x0f, 0x01, 0xca]) { $0.rflags = 0x4_0202 }
        #expect(cleared.cpu.general.rflags == 0x202)
    }

    @Test func waitForCoprocessor() throws {
        let (guest, diagnosis) = try complete([0x9b])
        #expect(diagnosis == nil)
        #expect(guest.cpu.general.rip == Self.start + 1)
    }

    @Test func diagnosisTellsBytesAndRegisters() throws {
        let (guest, diagnosis) = try complete([0x0f, 0x01, 0xc1]) { $0.r9 = 0xdead_beef }
        let found = try #require(diagnosis)
        #expect(found.reason == .unsupportedInstruction)
        #expect(found.instruction.array.prefix(3) == [0x0f, 0x01, 0xc1])
        #expect(guest.cpu.general.rip == Self.start)
        let text = found.description
        for expected in ["0f 01 c1", "ffff800000020000", "00000000deadbeef", "64-bit mode", "cpl 0", "clearcpuid="] {
            #expect(text.contains(expected), "\(expected) in \(text)")
        }
    }

    @Test func codeThatCannotBeRead() throws {
        let guest = try Guest()
        guest.cpu.general.rip = 0x1234_5000
        var repair = InstructionRepair(isNeeded: true)
        #expect(try repair.emulationFailed(on: guest.cpu, guest.memory)?.reason == .unreadableInstruction)
        // The kernel's copy of the bytes is enough.
        let reported = InstructionBytes([0x9b])
        #expect(try repair.emulationFailed(on: guest.cpu, guest.memory, reported: reported) == nil)
        #expect(guest.cpu.general.rip == 0x1234_5001)
    }

    @Test func instructionAtTheEndOfMappedMemory() throws {
        let guest = try Guest()
        let last = Guest.kernel + (2 << 20) - 1
        try guest.write([0x9b], atKernel: last)
        guest.cpu.general.rip = last
        var repair = InstructionRepair(isNeeded: true)
        #expect(try repair.emulationFailed(on: guest.cpu, guest.memory) == nil)
        #expect(guest.cpu.general.rip == last + 1)
    }

    @Test func noProgressIsFound() {
        var watch = ProgressWatch()
        var registers = kvm_regs()
        registers.rip = 0x1000
        for _ in 0..<ProgressWatch.limit { #expect(watch.stalled(at: registers) == nil) }
        #expect(watch.stalled(at: registers) == ProgressWatch.limit)
        registers.rcx = 1
        #expect(watch.stalled(at: registers) == nil)
    }

    @Test(arguments: [(true, "VT-x or AMD-V"), (false, "hardware virtualization, where KVM emulates")])
    func theAdviceFitsTheHost(isNeeded: Bool, words: String) throws {
        let guest = try Guest()
        try guest.write([0x0f, 0x01, 0xc1], atKernel: Guest.kernel + 0x2_0000)
        guest.cpu.general.rip = Guest.kernel + 0x2_0000
        var repair = InstructionRepair(isNeeded: isNeeded)
        let diagnosis = try #require(try repair.emulationFailed(on: guest.cpu, guest.memory))
        #expect(diagnosis.hostNeedsRepair == isNeeded)
        #expect("\(diagnosis)".contains(words), "\(diagnosis)")
        #expect("\(diagnosis)".contains("clearcpuid=") == isNeeded)
    }
}
