import CLinux
import GuestMemory
import TestSupport
import Testing

@testable import SoftwareKVM

@Suite struct SystemCallRepairTests {
    private static let entry = Guest.kernel + 0x2_0000
    private static let both: [HostQuirks] = [
        [.syscallKeepsPrivilegeLevel], [.syscallKeepsPrivilegeLevel, .syscallCanArriveAsGeneralProtection],
    ]

    /// Lets a guest set up SYSCALL; returns its repair.
    private func start(_ guest: Guest, _ quirks: HostQuirks) throws -> HostRepair {
        for vector in [6, 13, 14] as [UInt8] {
            try guest.setGate(vector)
            try guest.write([0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x31, 0xc0], atKernel: Guest.handler(vector))
        }
        var repair = HostRepair(quirks: quirks, memory: guest.memory)
        #expect(try repair.writeMSR(MSR.star, Guest.star, on: guest.cpu) == .done)
        #expect(try repair.writeMSR(MSR.lstar, Self.entry, on: guest.cpu) == .done)
        #expect(try repair.writeMSR(MSR.sfmask, Guest.sfmask, on: guest.cpu) == .done)
        return repair
    }

    /// Raises the exception that SYSCALL arrives as.
    private func systemCall(_ guest: Guest, rflags: UInt64 = 0x10002) throws {
        let target = try #require(guest.cpu.msrs[MSR.lstar])
        let isSubstituted = target != Self.entry
        try guest.raise(
            isSubstituted ? 13 : 14, errorCode: isSubstituted ? 0 : 0x15, .user(rip: target, rflags: rflags))
    }

    @Test(arguments: both) func systemCallEntersKernel(quirks: HostQuirks) throws {
        let guest = try Guest()
        var repair = try start(guest, quirks)
        try systemCall(guest)
        guest.cpu.general.rcx = 0x40_0002
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(guest.cpu.general.rip == Self.entry)
        #expect(guest.cpu.general.rsp == 0x7fff_0000)
        #expect(guest.cpu.general.rflags == 2)
        #expect(guest.cpu.general.rcx == 0x40_0002)
        #expect(guest.cpu.special.cs.selector == 0x10)
        #expect(repair.statistics.systemCalls.systemCalls == 1)
        #expect(repair.readMSR(MSR.lstar) == Self.entry)
    }

    @Test func breakpointsFollowTheVectorThatSystemCallsArriveAs() throws {
        let faulting = try Guest()
        _ = try start(faulting, Self.both[0])
        #expect(faulting.cpu.breaksAt == [Guest.handler(14), Guest.handler(6)])
        #expect(faulting.cpu.msrs[MSR.lstar] == Self.entry)
        let protected = try Guest()
        _ = try start(protected, Self.both[1])
        #expect(protected.cpu.breaksAt == [Guest.handler(13), Guest.handler(6)])
        #expect(protected.cpu.msrs[MSR.lstar] == SystemCallRepair.substituteTarget)
    }

    @Test func fiveLevelsOfPageTablesHaveNoSubstitute() throws {
        let guest = try Guest()
        guest.cpu.special.cr4 |= 1 << 12
        var repair = HostRepair(quirks: Self.both[1], memory: guest.memory)
        #expect(try repair.writeMSR(MSR.lstar, Self.entry, on: guest.cpu) == .done)
        #expect(guest.cpu.msrs[MSR.lstar] == Self.entry)
    }

    @Test func otherCodeSegmentIsLoaded() throws {
        let guest = try Guest()
        var repair = try start(guest, Self.both[0])
        #expect(try repair.writeMSR(MSR.star, 0x0043_0033_0000_0000, on: guest.cpu) == .done)
        try systemCall(guest)
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(guest.cpu.special.cs.selector == 0x30)
        #expect(guest.cpu.special.cs.l == 1)
        #expect(guest.cpu.special.cs.dpl == 0)
        #expect(guest.cpu.special.ss.selector == 0x38)
    }

    @Test(arguments: both) func jumpToTheTargetIsNoSystemCall(quirks: HostQuirks) throws {
        let guest = try Guest()
        var repair = try start(guest, quirks)
        // A program that jumps there has interrupts on, which SYSCALL masks.
        try systemCall(guest, rflags: 0x10202)
        let before = guest.cpu.general
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(guest.cpu.general.rip == before.rip + 4)
        #expect(guest.cpu.general.rsp == before.rsp)
        #expect(repair.statistics.systemCalls.systemCalls == 0)
        #expect(repair.statistics.systemCalls.otherFaults == 1)
    }

    @Test func faultsThatAreNoSystemCalls() throws {
        let target = Self.entry
        let cases: [(UInt64, ExceptionFrame)] = [
            (0x7, .user(rip: 0x40_0000)), (0x2, .kernel(rip: target)), (0x11, .user(rip: target, rflags: 2)),
        ]
        for (errorCode, frame) in cases {
            let guest = try Guest()
            var repair = try start(guest, Self.both[0])
            try guest.raise(14, errorCode: errorCode, frame)
            #expect(try repair.debugExit(on: guest.cpu))
            // endbr64 was executed, and the breakpoint stays where it is.
            #expect(guest.cpu.general.rip == Guest.handler(14) + 4)
            #expect(guest.cpu.breaksAt == [Guest.handler(14), Guest.handler(6)])
            #expect(repair.statistics.systemCalls.singleSteps == 0)
        }
    }

    @Test func handlerThatStartsWithAnythingElseIsStepped() throws {
        let guest = try Guest()
        var repair = try start(guest, Self.both[0])
        try guest.write([0x48, 0x31, 0xc0], atKernel: Guest.handler(14))
        try guest.raise(14, errorCode: 7, .user(rip: 0x40_0000))
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(guest.cpu.isStepping)
        #expect(guest.cpu.breaksAt.isEmpty)
        guest.cpu.general.rip += 3
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(!guest.cpu.isStepping)
        #expect(guest.cpu.breaksAt == [Guest.handler(14), Guest.handler(6)])
        #expect(repair.statistics.systemCalls.singleSteps == 1)
    }

    @Test func interruptBeforeTheStepIsDoneComesBackToTheBreakpoint() throws {
        let guest = try Guest()
        var repair = try start(guest, Self.both[0])
        try guest.write([0x48, 0x31, 0xc0], atKernel: Guest.handler(14))
        try guest.raise(14, errorCode: 7, .user(rip: 0x40_0000))
        let atHandler = guest.cpu.general
        #expect(try repair.debugExit(on: guest.cpu))
        // An NMI came first: the step ends in its handler, and the page fault's handler has yet to run.
        guest.cpu.general.rip = Guest.kernel + 0x3_0000
        #expect(try repair.debugExit(on: guest.cpu))
        guest.cpu.general = atHandler
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(guest.cpu.isStepping)
    }

    @Test func debugExitOfSomebodyElse() throws {
        let guest = try Guest()
        var repair = try start(guest, Self.both[0])
        guest.cpu.general.rip = Guest.kernel + 0x3_0000
        #expect(try !repair.debugExit(on: guest.cpu))
    }

    @Test func interruptTableLoadedLater() throws {
        let guest = try Guest()
        guest.cpu.special.idt.limit = 0
        var repair = HostRepair(quirks: Self.both[0], memory: guest.memory)
        #expect(try repair.writeMSR(MSR.lstar, Self.entry, on: guest.cpu) == .done)
        #expect(guest.cpu.breaksAt.isEmpty)
        guest.cpu.special.idt.limit = 0xfff
        try guest.setGate(14)
        try repair.refresh(on: guest.cpu)
        #expect(guest.cpu.breaksAt == [Guest.handler(14)])
        let requests = guest.cpu.debugRequests
        try repair.refresh(on: guest.cpu)
        #expect(guest.cpu.debugRequests == requests)
    }

    @Test func registersThatTheProcessorRefuses() throws {
        let guest = try Guest()
        var repair = try start(guest, Self.both[1])
        #expect(try repair.writeMSR(MSR.lstar, 1 << 47, on: guest.cpu) == .refused)
        #expect(try repair.writeMSR(MSR.sfmask, 1 << 32, on: guest.cpu) == .refused)
        #expect(try repair.writeMSR(0x10, 0, on: guest.cpu) == .notIntercepted)
        #expect(repair.readMSR(0x10) == nil)
        #expect(repair.readMSR(MSR.sfmask) == Guest.sfmask)
    }

    @Test func restoredMachineGoesOn() throws {
        let guest = try Guest()
        let repair = try start(guest, Self.both[1])
        let saved = repair.systemCallRegisters
        var restored = HostRepair(quirks: Self.both[0], memory: guest.memory)
        try restored.restore(saved, on: guest.cpu)
        // The new host lacks the better way.
        #expect(guest.cpu.breaksAt == [Guest.handler(14), Guest.handler(6)])
        try systemCall(guest)
        #expect(try restored.debugExit(on: guest.cpu))
        #expect(guest.cpu.general.rip == Self.entry)
    }

    @Test(arguments: [([0xcd, 0x80], 0x80, 2), ([0xcc], 3, 1)] as [([UInt8], UInt8, UInt64)])
    func interruptOfUserMode(code: [UInt8], vector: UInt8, length: UInt64) throws {
        let guest = try Guest()
        var repair = try start(guest, Self.both[1])
        try guest.setGate(vector, level: 3)
        try guest.write(code, atUser: Guest.user)
        try guest.raise(6, .user(rip: Guest.user))
        let stack = guest.cpu.general.rsp
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(guest.cpu.general.rip == Guest.handler(vector))
        #expect(guest.cpu.general.rsp == stack)
        #expect(guest.cpu.general.rflags == 2)
        #expect(try guest.word(atKernel: stack) == Guest.user + length)
        #expect(try guest.word(atKernel: stack + 16) == 0x202)
        #expect(repair.statistics.systemCalls.softwareInterrupts == 1)
    }

    @Test func trapGateKeepsInterruptsOn() throws {
        let guest = try Guest()
        var repair = try start(guest, Self.both[1])
        try guest.setGate(0x80, level: 3, type: 0xf)
        try guest.write([0xcd, 0x80], atUser: Guest.user)
        try guest.raise(6, .user(rip: Guest.user))
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(guest.cpu.general.rflags == 0x202)
    }

    @Test func aGateThatKeepsUsersOutIsAGeneralProtectionFault() throws {
        let guest = try Guest()
        var repair = try start(guest, Self.both[1])
        try guest.setGate(0x80, level: 0)
        try guest.setGate(13, level: 0)
        try guest.write([0xcd, 0x80], atUser: Guest.user)
        try guest.raise(6, .user(rip: Guest.user))
        let stack = guest.cpu.general.rsp
        #expect(try repair.debugExit(on: guest.cpu))
        #expect(guest.cpu.general.rip == Guest.handler(13))
        #expect(guest.cpu.general.rsp == stack - 8)
        #expect(try guest.word(atKernel: stack - 8) == 0x402)
        #expect(try guest.word(atKernel: stack) == Guest.user)
    }

    @Test func invalidOpcodesStayInvalid() throws {
        let cases: [(code: [UInt8], level: UInt64, stack: UInt64)] = [
            ([0x0f, 0x0b], 3, 0), ([0xcd, 0x80], 3, 1), ([0xcd, 0x81], 3, 0),
        ]
        for (code, level, stack) in cases {
            let guest = try Guest()
            var repair = try start(guest, Self.both[1])
            try guest.setGate(0x80, level: level, stack: stack)
            try guest.write(code, atUser: Guest.user)
            try guest.raise(6, .user(rip: Guest.user))
            #expect(try repair.debugExit(on: guest.cpu))
            #expect(guest.cpu.general.rip == Guest.handler(6) + 4)
            #expect(try guest.word(atKernel: guest.cpu.general.rsp) == Guest.user)
        }
    }

    @Test func randomStateNeverTraps() throws {
        var random = SeededGenerator(seed: 26)
        for round in 0..<300 {
            let guest = try Guest()
            var repair = try start(guest, Self.both[round % 2])
            for _ in 0..<200 {
                let place = UInt64.random(in: 0..<0x2_0000, using: &random)
                try guest.memory.store(UInt8.random(in: 0...255, using: &random), at: GuestAddress(place))
            }
            guest.cpu.general.rip = guest.cpu.breaksAt.randomElement(using: &random) ?? 0
            guest.cpu.general.rsp = Bool.random(using: &random) ? random.next() : Guest.stack - random.next() % 64
            for _ in 0..<3 { _ = try repair.debugExit(on: guest.cpu) }
            _ = try repair.emulationFailed(on: guest.cpu)
        }
    }
}
