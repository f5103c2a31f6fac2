import Devices
import Testing

@Suite struct SerialRegisterTests {
    private let serial = SerialFixture()
    private var port: Serial16550A { serial.port }

    @Test func `after power-on it is idle, and remembers what it is told`() {
        #expect(port.byte(UART.ier) == 0)
        #expect(port.byte(UART.iir) == UART.noInterrupt)
        #expect(port.byte(UART.lcr) == 0)
        #expect(port.byte(UART.mcr) == 0)
        #expect(port.byte(UART.lsr) == UART.thre | UART.temt)
        #expect(port.byte(UART.msr) == 0xb0)
        port.set(UART.scr, 0xa5)
        #expect(port.byte(UART.scr) == 0xa5)
        port.set(UART.ier, 0xff)
        #expect(port.byte(UART.ier) == 0x0f)
        port.set(UART.mcr, 0xff)
        #expect(port.byte(UART.mcr) == 0x1f)
        port.set(UART.lsr, 0x00)
        port.set(UART.msr, 0xff)
        #expect(port.byte(UART.lsr) == UART.thre | UART.temt)
        #expect(port.byte(8) == 0xff)
    }

    @Test func `the divisor latch hides data and interrupt enable`() {
        port.set(UART.ier, UART.elsi)
        port.set(UART.lcr, 0x83)
        port.write(offset: 0, width: 2, value: 0x0180)
        #expect(port.read(offset: 0, width: 2) == 0x0180)
        port.set(UART.lcr, 0x03)
        #expect(port.byte(UART.ier) == UART.elsi)
        #expect(serial.backend.bytes.isEmpty)
    }

    @Test func `FIFO bits of the identification follow FIFO control`() {
        #expect(port.byte(UART.iir) & 0xc0 == 0)
        port.set(UART.fcr, 0x01)
        #expect(port.byte(UART.iir) & 0xc0 == 0xc0)
        port.set(UART.fcr, 0xc0)
        #expect(port.byte(UART.iir) & 0xc0 == 0)
    }

    @Test func `enabling the transmitter's interrupt raises it, and reading the identification clears it`() {
        port.set(UART.ier, UART.etbei)
        #expect(serial.line.level)
        #expect(port.byte(UART.iir) == 0x02)
        #expect(!serial.line.level)
        #expect(port.byte(UART.iir) == UART.noInterrupt)
        // Setting what is set does not raise it again, clearing and setting does.
        port.set(UART.ier, UART.etbei | UART.elsi)
        #expect(port.byte(UART.iir) == UART.noInterrupt)
        port.set(UART.ier, 0)
        port.set(UART.ier, UART.etbei)
        #expect(port.byte(UART.iir) == 0x02)
        #expect(serial.line.edges == 2)
    }

    @Test func `sixteen bytes make one edge`() {
        serial.openAsLinux()
        port.set(UART.ier, UART.erbfi | UART.elsi | UART.etbei)
        #expect(serial.cause() == 0x02)
        let edges = serial.line.edges
        for byte in 0..<16 as Range<UInt8> { port.set(UART.data, byte) }
        #expect(serial.line.edges == edges + 1)
        #expect(serial.cause() == 0x02)
        #expect(serial.cause() == UART.noInterrupt)
        #expect(serial.backend.bytes == Array(0..<16))
    }

    @Test func `causes are told by priority`() {
        serial.openAsLinux()
        port.set(UART.mcr, 0x18)
        port.set(UART.ier, 0x0f)
        _ = port.byte(UART.iir)
        for _ in 0..<17 { port.set(UART.data, 1) }
        #expect(serial.cause() == 0x06)
        #expect(port.byte(UART.lsr) & UART.oe != 0)
        #expect(serial.cause() == 0x04)
        for _ in 0..<8 { _ = port.byte(UART.data) }
        #expect(serial.cause() == 0x04)
        _ = port.byte(UART.data)
        #expect(serial.cause() == 0x0c)
        _ = serial.readAll()
        #expect(serial.cause() == 0x02)
        #expect(serial.cause() == 0x00)
        _ = port.byte(UART.msr)
        #expect(serial.cause() == UART.noInterrupt)
        #expect(!serial.line.level)
    }

    @Test(arguments: [(0x01, 1), (0x41, 4), (0x81, 8), (0xc1, 14)] as [(UInt8, Int)])
    func `the trigger level tells data from a time-out`(control: UInt8, level: Int) {
        port.set(UART.mcr, 0x0b)
        port.set(UART.fcr, control)
        port.set(UART.ier, UART.erbfi)
        if level > 1 {
            #expect(serial.receive(Array(repeating: 1, count: level - 1)) == level - 1)
            #expect(serial.cause() == 0x0c)
        }
        #expect(serial.receive(level > 1 ? [2] : [1]) == 1)
        #expect(serial.cause() == 0x04)
        #expect(serial.readAll().count == level)
        #expect(serial.cause() == UART.noInterrupt)
    }

    @Test func `loopback brings bytes and modem lines back, and cuts the outside off`() {
        port.set(UART.mcr, 0x10)
        #expect(port.byte(UART.msr) == 0x0b)  // DCD, DSR and CTS went away
        #expect(port.byte(UART.msr) == 0x00)
        for (control, lines) in [(0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80)] as [(UInt8, UInt8)] {
            port.set(UART.mcr, control)
            #expect(port.byte(UART.msr) & 0xf0 == lines)
        }
        // The ring indicator tells its trailing edge only.
        port.set(UART.mcr, 0x10)
        _ = port.byte(UART.msr)
        port.set(UART.mcr, 0x14)
        #expect(port.byte(UART.msr) == 0x40)
        port.set(UART.mcr, 0x10)
        #expect(port.byte(UART.msr) == 0x04)

        port.set(UART.ier, UART.erbfi)
        #expect(serial.receive([9]) == 0)
        port.set(UART.data, 0x55)
        #expect(serial.line.level)
        #expect(port.byte(UART.lsr) == UART.dr | UART.thre | UART.temt)
        #expect(port.byte(UART.data) == 0x55)
        #expect(serial.backend.bytes.isEmpty)

        // Without FIFOs the newer byte wins.
        port.set(UART.data, 1)
        port.set(UART.data, 2)
        #expect(port.byte(UART.lsr) & (UART.dr | UART.oe) == UART.dr | UART.oe)
        #expect(port.byte(UART.lsr) & UART.oe == 0)
        #expect(port.byte(UART.data) == 2)
        // With them the older ones do.
        port.set(UART.fcr, 0x01)
        for byte in 0..<17 as Range<UInt8> { port.set(UART.data, byte) }
        #expect(port.byte(UART.lsr) & UART.oe != 0)
        #expect(serial.readAll() == Array(0..<16))

        port.set(UART.mcr, 0x00)
        #expect(port.byte(UART.msr) & 0xf0 == 0xb0)
        #expect(serial.backend.receiveReadyCalls == 1)
        #expect(serial.receive([9]) == 1)
    }

    @Test func `a modem line that changes raises its interrupt until it is read`() {
        port.set(UART.ier, UART.edssi)
        #expect(!serial.line.level)
        port.set(UART.mcr, 0x10)
        #expect(serial.line.level)
        #expect(serial.cause() == 0x00)
        #expect(port.byte(UART.msr) & 0x0f == 0x0b)
        #expect(!serial.line.level)
    }

    @Test func `Linux finds a 16550A whose interrupts work`() {
        // The probe of the interrupt enable register, the loopback test, the FIFO test and the transmitter test.
        port.set(UART.ier, 0)
        #expect(port.byte(UART.ier) & 0x0f == 0)
        port.set(UART.ier, 0x0f)
        #expect(port.byte(UART.ier) & 0x0f == 0x0f)
        port.set(UART.ier, 0)
        port.set(UART.mcr, 0x1a)
        #expect(port.byte(UART.msr) & 0xf0 == 0x90)
        port.set(UART.mcr, 0)
        port.set(UART.fcr, 0x01)
        #expect(port.byte(UART.iir) >> 6 == 3)
        serial.openAsLinux()
        port.set(UART.ier, UART.etbei)
        #expect(port.byte(UART.iir) & 0x01 == 0)
        port.set(UART.ier, 0)
        port.set(UART.ier, UART.etbei)
        #expect(port.byte(UART.iir) & 0x01 == 0)
        #expect(port.byte(UART.lsr) & UART.temt != 0)
    }
}
