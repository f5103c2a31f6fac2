import Devices
import Testing

@Suite struct PlatformTests {
    @Test func aPressIsAnEdge() {
        let line = RecordingLine()
        let button = PowerButton(interrupt: line)
        button.press()
        button.press()
        #expect(line.edges == 2 && !line.level && line.repeats == 0)
    }

    private let machine = RecordingMachine()

    @Test(
        arguments: [(0, 1), (1, 3), (0x10, 0x21), (0x7f, 0xff), (0x80, 0x01), (0xffff_ffff, 0xff)] as [(UInt32, UInt8)])
    func `debug exit ends with the status that guests expect`(value: UInt32, status: UInt8) {
        let port = DebugExitPort(events: machine)
        #expect(port.read(offset: 0, width: 1) == 0)
        port.write(offset: 0, width: 4, value: value)
        #expect(machine.events == [.exit(status)])
    }

    @Test func `quiet ports read all ones`() {
        let ports = QuietPorts()
        ports.write(offset: 0, width: 1, value: 1)
        #expect([1, 2, 4].map { ports.read(offset: 0, width: $0) } == [0xff, 0xffff, 0xffff_ffff])
    }

    @Test func `system control port A resets on the rising bit and keeps A20 open`() {
        let port = SystemControlPortA(events: machine)
        #expect(port.byte(0) == 0x02)
        port.set(0, 0x00)
        #expect(port.byte(0) == 0x02)
        #expect(machine.events.isEmpty)
        port.set(0, 0x01)
        port.set(0, 0x03)
        #expect(machine.events == [.reset(.systemControlPortA)])
        port.set(0, 0x02)
        port.set(0, 0xff)
        #expect(machine.events.count == 2)
    }

    @Test func `the reset control register resets as Linux asks, and a PCI probe finds nothing`() {
        let ports = PCIConfigurationPorts(events: machine)
        // Linux's probe of configuration type 1 finds a bus with a host bridge and nothing else.
        ports.set(3, 0x01)
        let before = ports.read(offset: 0, width: 4)
        ports.write(offset: 0, width: 4, value: 0x8000_0000)
        #expect(ports.read(offset: 0, width: 4) == 0x8000_0000)
        #expect(ports.read(offset: 4, width: 2) == 0x1b36)
        ports.write(offset: 0, width: 4, value: 0x8000_0008)
        #expect(ports.read(offset: 6, width: 2) == 0x0600 && ports.read(offset: 4, width: 4) == 0x0600_0000)
        ports.write(offset: 0, width: 4, value: 0x8000_0010)
        #expect(ports.read(offset: 4, width: 4) == 0 && ports.byte(7) == 0)
        for elsewhere: UInt32 in [0x0000_0000, 0x8000_0100, 0x8000_0800, 0x8001_0000, 0xffff_fffc] {
            ports.write(offset: 0, width: 4, value: elsewhere)
            #expect(ports.read(offset: 4, width: 4) == 0xffff_ffff, "\(elsewhere)")
        }
        // This would set every bit of the reset register.
        ports.write(offset: 0, width: 4, value: 0xffff_ffff)
        ports.write(offset: 4, width: 4, value: 0xffff_ffff)
        #expect(ports.read(offset: 0, width: 4) == 0x80ff_fffc && ports.read(offset: 6, width: 2) == 0xffff)
        ports.write(offset: 0, width: 4, value: before)
        #expect(machine.events.isEmpty)

        #expect(ports.byte(1) == 0)
        ports.set(1, 0x02)
        #expect(ports.byte(1) == 0x02)
        #expect(machine.events.isEmpty)
        ports.set(1, 0x06)
        ports.set(1, 0x0e)
        #expect(machine.events == [.reset(.resetControl)])
        ports.set(1, 0x00)
        ports.set(1, 0x0e)
        #expect(machine.events.count == 2)
    }

    @Test func `sleep control powers off with the type of S5 only`() {
        let ports = SleepControlPorts(events: machine)
        let powerOff = SleepControlPorts.powerOffType << 2
        ports.set(0, powerOff)
        ports.set(0, 0x20)
        ports.set(1, powerOff | 0x20)
        #expect(machine.events.isEmpty)
        ports.set(0, powerOff | 0x20)
        #expect(machine.events == [.powerOff])
        #expect(ports.byte(0) == 0 && ports.byte(1) == 0)
    }

    @Test func `the power register powers off, resets and fails with a status`() {
        let register = PowerRegister(events: machine)
        #expect(register.read(offset: 0, width: 4) == 0)
        register.write(offset: 0, width: 4, value: 0x1234)
        register.write(offset: 4, width: 4, value: 0x5555)
        register.write(offset: 0, width: 1, value: 0x55)
        #expect(machine.events.isEmpty)
        register.write(offset: 0, width: 4, value: 0x5555)
        register.write(offset: 0, width: 4, value: 0x7777)
        register.write(offset: 0, width: 4, value: 0x002a_3333)
        #expect(machine.events == [.powerOff, .reset(.powerRegister), .exit(42)])
    }

    @Test func `a panic is told through a port and through memory alike`() {
        let notifier = PanicNotifier(events: machine)
        #expect(notifier.read(offset: 0 as UInt16, width: 1) == 1)
        #expect(notifier.read(offset: 0 as UInt64, width: 1) == 1)
        notifier.write(offset: 0 as UInt16, width: 1, value: 2)
        #expect(machine.events.isEmpty)
        notifier.write(offset: 0 as UInt16, width: 1, value: 1)
        notifier.write(offset: 0 as UInt64, width: 1, value: 3)
        #expect(machine.events == [.panic, .panic])
    }
}
