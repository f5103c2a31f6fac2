import CLinux
import Dispatch
import GuestMemory
import KVM
import Testing

/// The kernel's API as the KVM module shows it, by guests of a few bytes in real mode.
@Suite(.serialized, .needsKVM, .timeLimit(.minutes(1)))
struct VCPUTests {
    @Test func portAccessesExit() throws {
        let machine = try BareMachine()
        // mov al, 0x5a; out 0x10, al; in ax, 0x12; mov dx, 0x345; out dx, eax
        try machine.memory.write(
            [0xb0, 0x5a, 0xe6, 0x10, 0xe5, 0x12, 0xba, 0x45, 0x03, 0x66, 0xef], at: 0x1000)
        let vcpu = try machine.makeVCPU()

        guard case .portWrite(let first) = try vcpu.run() else { return #expect(Bool(false)) }
        #expect(first.port == 0x10 && first.width == 1 && first.count == 1)
        #expect(vcpu.value(of: first, element: 0) == 0x5a)

        guard case .portRead(let second) = try vcpu.run() else { return #expect(Bool(false)) }
        #expect(second.port == 0x12 && second.width == 2)
        vcpu.answer(second, element: 0, 0xbeef)

        guard case .portWrite(let third) = try vcpu.run() else { return #expect(Bool(false)) }
        #expect(third.port == 0x345 && third.width == 4)
        #expect(vcpu.value(of: third, element: 0) == 0xbeef)

        // The instruction counts as done once the kernel was let finish it.
        try vcpu.completeExit()
        #expect(try vcpu.registers().rip == 0x100b)
    }

    @Test func stringInstructionsHaveElements() throws {
        let machine = try BareMachine()
        // mov dx, 0x3f8; mov si, 0x2000; mov cx, 5; cld; rep outsb
        try machine.memory.write(
            [0xba, 0xf8, 0x03, 0xbe, 0x00, 0x20, 0xb9, 0x05, 0x00, 0xfc, 0xf3, 0x6e, 0xe6, 0x80], at: 0x1000)
        try machine.memory.write(Array("hello".utf8), at: 0x2000)
        let vcpu = try machine.makeVCPU()
        var text: [UInt8] = []
        while case .portWrite(let access) = try vcpu.run(), access.port == 0x3f8 {
            for element in 0..<access.count {
                text.append(UInt8(vcpu.value(of: access, element: element)))
            }
        }
        #expect(text == Array("hello".utf8))
    }

    @Test func memoryOutsideRAMExits() throws {
        let machine = try BareMachine(memory: 1 << 20)
        // mov ax, 0xffff; mov ds, ax; mov eax, [0x0010] (0x100000); mov [0x0014], ax
        try machine.memory.write(
            [0xb8, 0xff, 0xff, 0x8e, 0xd8, 0x66, 0xa1, 0x10, 0x00, 0xa3, 0x14, 0x00], at: 0x1000)
        let vcpu = try machine.makeVCPU()
        #expect(try vcpu.run() == .mmioRead(address: 0x10_0000, width: 4))
        vcpu.answerMMIO(0x1234_5678)
        guard case .mmioWrite(let address, let width, let value) = try vcpu.run() else {
            return #expect(Bool(false))
        }
        #expect(address == 0x10_0004 && width == 2)
        #expect(value & 0xffff == 0x5678)
    }

    @Test(arguments: [false, true])
    func registersAreReadAndWritten(synchronized: Bool) throws {
        let machine = try BareMachine()
        // out 0x10, al; out 0x10, al
        try machine.memory.write([0xe6, 0x10, 0xe6, 0x10, 0xe6, 0x10], at: 0x1000)
        var vcpu = try machine.makeVCPU()
        if synchronized { try vcpu.synchronizeRegisters() }
        _ = try vcpu.run()
        try vcpu.completeExit()
        var registers = try vcpu.registers()
        #expect(registers.rip == 0x1002)
        registers.rax = 0x77
        registers.rip = 0x1004
        try vcpu.setRegisters(registers)
        #expect(try vcpu.registers().rax == 0x77)
        guard case .portWrite(let access) = try vcpu.run() else { return #expect(Bool(false)) }
        #expect(vcpu.value(of: access, element: 0) == 0x77)
        try vcpu.completeExit()
        #expect(try vcpu.registers().rip == 0x1006)

        var special = try vcpu.specialRegisters()
        special.gs.base = 0x1230
        special.gs.selector = 0x123
        try vcpu.setSpecialRegisters(special)
        #expect(try vcpu.specialRegisters().gs.base == 0x1230)
    }

    @Test func stateOfEachKindComesBackAsItWasSet() throws {
        let machine = try BareMachine()
        let vcpu = try machine.makeVCPU()

        try vcpu.writeMSR(0xc000_0081, 0x0023_0010_0000_0000)
        #expect(try vcpu.readMSR(0xc000_0081) == 0x0023_0010_0000_0000)
        #expect(throws: KVMError.self) { try vcpu.readMSR(0xdead_beef) }

        var floatingPoint = try vcpu.floatingPoint()
        floatingPoint.mxcsr = 0x1f80
        floatingPoint.fcw = 0x37f
        try vcpu.setFloatingPoint(floatingPoint)
        #expect(try vcpu.floatingPoint().fcw == 0x37f)

        var apic = try vcpu.localAPIC()
        apic[.localInterrupt0] = 0x700
        try vcpu.setLocalAPIC(apic)
        #expect(try vcpu.localAPIC()[.localInterrupt0] == 0x700)

        var events = try vcpu.events()
        events.nmi.masked = 1
        try vcpu.setEvents(events)
        #expect(try vcpu.events().nmi.masked == 1)

        #expect(try vcpu.multiprocessingState() == UInt32(KVM_MP_STATE_RUNNABLE))
        try vcpu.setMultiprocessingState(UInt32(KVM_MP_STATE_HALTED))
        #expect(try vcpu.multiprocessingState() == UInt32(KVM_MP_STATE_HALTED))

        var debug = try vcpu.debugRegisters()
        debug.db.0 = 0x1234
        try vcpu.setDebugRegisters(debug)
        #expect(try vcpu.debugRegisters().db.0 == 0x1234)

        let control = try vcpu.extendedControlRegisters()
        try vcpu.setExtendedControlRegisters(control)
        #expect(try vcpu.extendedControlRegisters().xcrs.0.value == control.xcrs.0.value)

        let state = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 64)
        defer { state.deallocate() }
        try vcpu.getExtendedState(state)
        try vcpu.setExtendedState(state)

        #expect(try vcpu.timeStampFrequency() > 100_000)
        #expect(try vcpu.cpuid().contains { $0.function == 0 })
        #expect(try machine.system.msrIndices().contains(0xc000_0082))

        try machine.machine.setClock(nanoseconds: 5_000_000_000)
        let clock = try machine.machine.clock().clock
        #expect(clock >= 5_000_000_000 && clock < 65_000_000_000)
    }

    @Test func breakpointsStopTheGuest() throws {
        let machine = try BareMachine()
        // nop; nop; out 0x10, al
        try machine.memory.write([0x90, 0x90, 0xe6, 0x10], at: 0x1000)
        let vcpu = try machine.makeVCPU()
        var debug = kvm_guest_debug()
        debug.control = UInt32(KVM_GUESTDBG_ENABLE) | UInt32(KVM_GUESTDBG_USE_HW_BP)
        debug.arch.debugreg.0 = 0x1001
        debug.arch.debugreg.7 = 0x402
        try vcpu.setGuestDebug(debug)
        #expect(try vcpu.run() == .debug)
        #expect(try vcpu.registers().rip == 0x1001)
        try vcpu.setGuestDebug(kvm_guest_debug())
        guard case .portWrite = try vcpu.run() else { return #expect(Bool(false)) }
    }

    @Test func aTripleFaultShutsDown() throws {
        let machine = try BareMachine()
        // ud2 in protected mode, with an interrupt table without entries
        try machine.memory.write([0x0f, 0x0b], at: 0x1000)
        let vcpu = try machine.makeVCPU()
        var special = try vcpu.specialRegisters()
        special.idt.limit = 0
        special.cr0 |= 1
        for segment in [\kvm_sregs.ds, \.es, \.ss] {
            special[keyPath: segment].limit = 0xffff_ffff
            special[keyPath: segment].g = 1
            special[keyPath: segment].db = 1
        }
        special.cs = special.ds
        special.cs.type = 0xb
        try vcpu.setSpecialRegisters(special)
        #expect(try vcpu.run() == .shutdown)
    }

    @Test func haltExitsWithoutInterruptControllers() throws {
        let machine = try BareMachine(withInterruptControllers: false)
        try machine.memory.write([0xf4], at: 0x1000)
        let vcpu = try machine.makeVCPU()
        #expect(try vcpu.run() == .halt)
    }

    @Test func interruptLinesReachTheGuest() throws {
        let machine = try BareMachine()
        // 8259s: vectors from 0x20, IRQ 4 open; sti; hlt; jmp
        try machine.memory.write(
            [
                0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21,
                0xb0, 0xef, 0xe6, 0x21, 0xe6, 0x80, 0xfb, 0xf4, 0xeb, 0xfd,
            ], at: 0x1000)
        // The handler: mov al, 4; out 0x10, al
        try machine.memory.write([0xb0, 0x04, 0xe6, 0x10], at: 0x3000)
        try machine.memory.write([0x00, 0x30, 0x00, 0x00], at: 0x90)
        let vcpu = try machine.makeVCPU()
        var apic = try vcpu.localAPIC()
        apic[.localInterrupt0] = 0x700
        try vcpu.setLocalAPIC(apic)

        guard case .portWrite(let ready) = try vcpu.run(), ready.port == 0x80 else { return #expect(Bool(false)) }
        try machine.machine.setInterrupt(gsi: 4, isAsserted: true)
        guard case .portWrite(let answer) = try vcpu.run() else { return #expect(Bool(false)) }
        #expect(answer.port == 0x10)
        #expect(vcpu.value(of: answer, element: 0) == 4)
    }

    @Test func doorbellsSignalTheirEvents() throws {
        let machine = try BareMachine(memory: 1 << 20)
        // mov al, 1; out 0x50, al (rings); mov al, 2; out 0x50, al (does not)
        try machine.memory.write([0xb0, 1, 0xe6, 0x50, 0xb0, 2, 0xe6, 0x50], at: 0x1000)
        let event = eventfd(0, Int32(EFD_NONBLOCK))
        defer { close(event) }
        let doorbell = Doorbell(.port(0x50), width: 1, value: 1)
        try machine.machine.connect(doorbell, to: event)
        let vcpu = try machine.makeVCPU()
        guard case .portWrite(let access) = try vcpu.run() else { return #expect(Bool(false)) }
        #expect(vcpu.value(of: access, element: 0) == 2)
        var count: UInt64 = 0
        #expect(read(event, &count, 8) == 8)
        #expect(count == 1)
        try machine.machine.disconnect(doorbell, from: event)
        #expect(throws: KVMError.requestFailed(operation: "KVM_IOEVENTFD", errno: ENOENT)) {
            try machine.machine.disconnect(doorbell, from: event)
        }
    }

    @Test func eventsRaiseInterruptsByTheirRoutes() throws {
        let machine = try BareMachine()
        let event = eventfd(0, Int32(EFD_NONBLOCK))
        defer { close(event) }
        try machine.machine.setRoutes([
            .pin(gsi: 4, chip: .primaryPIC, pin: 4), .message(gsi: 24, address: 0xfee0_0000, data: 0x31),
        ])
        try machine.machine.connectInterrupt(gsi: 24, to: event)
        try machine.machine.disconnectInterrupt(gsi: 24, from: event)
        #expect(throws: KVMError.self) { try machine.machine.connectInterrupt(gsi: 24, to: 1_000_000) }
    }

    @Test func filteredRegistersExit() throws {
        let machine = try BareMachine()
        guard machine.system.has(.msrFilter) else { return }
        try machine.machine.filterMSRs(
            MSRFilter(base: 0xc000_0081, count: 2, allowedReads: 0b10, allowedWrites: 0b01))
        // mov ecx, 0xc0000081; rdmsr; out 0x10, eax; inc ecx; xor edx, edx; wrmsr
        try machine.memory.write(
            [
                0x66, 0xb9, 0x81, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x66, 0xe7, 0x10, 0x66, 0x41, 0x66, 0x31, 0xd2, 0x0f,
                0x30,
            ],
            at: 0x1000)
        let vcpu = try machine.makeVCPU()
        #expect(try vcpu.run() == .msrRead(index: 0xc000_0081))
        vcpu.answerMSRRead(0xfeed)
        guard case .portWrite(let access) = try vcpu.run() else { return #expect(Bool(false)) }
        #expect(vcpu.value(of: access, element: 0) == 0xfeed)
        #expect(try vcpu.run() == .msrWrite(index: 0xc000_0082, value: 0xfeed))
        vcpu.answerMSRWrite(isAccepted: true)
    }

    @Test func aGuestWithoutKVMsClockCannotBeToldOfAPause() throws {
        let machine = try BareMachine()
        #expect(try !machine.makeVCPU().tellPause())
    }

    @Test func aKickEndsARun() throws {
        let machine = try BareMachine()
        // jmp .
        try machine.memory.write([0xeb, 0xfe], at: 0x1000)
        let vcpu = try machine.makeVCPU()
        // Before a run: none starts.
        vcpu.kick()
        #expect(try vcpu.run() == .interrupted)
        vcpu.acknowledgeKick()
        // During it.
        let kick = vcpu.kick
        DispatchQueue(label: "kicker").asyncAfter(deadline: .now() + .milliseconds(20)) { kick() }
        #expect(try vcpu.run() == .interrupted)
        #expect(try #require(kick.cpuTime) > 0)
    }

    @Test func aKickWithoutVCPUIsHarmless() throws {
        let machine = try BareMachine()
        let kick = try machine.makeVCPU().kick
        kick()
        #expect(kick.cpuTime == nil)
    }
}
