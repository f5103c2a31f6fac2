import Devices
import Synchronization
import Testing

/// Output when the host is slow, input when the guest is.
@Suite struct SerialFlowTests {
    private let serial = SerialFixture()
    private var port: Serial16550A { serial.port }

    @Test func `a full backend keeps the transmitter busy until it is ready`() {
        serial.openAsLinux()
        port.set(UART.ier, UART.etbei)
        _ = port.byte(UART.iir)
        serial.backend.setRoom(3)
        for byte in 0..<19 as Range<UInt8> { port.set(UART.data, byte) }
        #expect(port.byte(UART.lsr) & (UART.thre | UART.temt) == 0)
        #expect(port.byte(UART.iir) == 0xc1)
        #expect(!serial.line.level)
        #expect(port.lostBytes == 0)
        // One byte too many is lost, as it is on a chip.
        port.set(UART.data, 99)
        #expect(port.lostBytes == 1)

        serial.backend.setRoom(4)
        port.transmitReady()
        #expect(serial.backend.bytes == Array(0..<7))
        #expect(port.byte(UART.lsr) & UART.thre == 0)
        serial.backend.setRoom(.max)
        port.transmitReady()
        #expect(serial.backend.bytes == Array(0..<19))
        #expect(port.byte(UART.lsr) & (UART.thre | UART.temt) == UART.thre | UART.temt)
        #expect(serial.line.level)
        #expect(port.byte(UART.iir) == 0xc2)
        let calls = serial.backend.calls
        port.transmitReady()
        #expect(serial.backend.calls == calls)
    }

    @Test func `without FIFOs the transmitter holds one byte`() {
        serial.backend.setRoom(0)
        port.set(UART.data, 1)
        port.set(UART.data, 2)
        #expect(port.lostBytes == 1)
        serial.backend.setRoom(.max)
        port.transmitReady()
        #expect(serial.backend.bytes == [1])
    }

    @Test func `a reset of the transmit FIFO loses nothing`() {
        port.set(UART.fcr, 0x01)
        serial.backend.setRoom(0)
        for byte in 0..<16 as Range<UInt8> { port.set(UART.data, byte) }
        port.set(UART.fcr, 0x07)
        port.set(UART.fcr, 0x00)
        serial.backend.setRoom(.max)
        port.transmitReady()
        #expect(serial.backend.bytes == Array(0..<16))
    }

    @Test func `input that does not fit waits, and comes in order`() {
        serial.openAsLinux()
        let edges = serial.line.edges
        #expect(serial.receive(Array(0..<40)) == 16)
        #expect(serial.receive([99]) == 0)
        #expect(serial.line.edges == edges + 1)
        let (port, backend) = (port, serial.backend)
        // The rest is handed over from inside the call, as a backend may.
        backend.onReceiveReady {
            let next = [16, 32][backend.receiveReadyCalls - 1] as UInt8
            #expect(port.receive(Array(next..<40).span) == min(16, 40 - Int(next)))
            if next == 32 { backend.onReceiveReady(nil) }
        }
        #expect(serial.readAll() == Array(0..<40))
        #expect(backend.receiveReadyCalls == 2)
        #expect(!serial.line.level)
    }

    @Test func `a guest that leaves bytes unread gets an edge for new ones`() {
        serial.openAsLinux()
        let edges = serial.line.edges
        #expect(serial.receive([1]) == 1)
        #expect(serial.receive([2]) == 1)
        #expect(serial.line.edges == edges + 2)
        #expect(serial.readAll() == [1, 2])
    }

    @Test(arguments: [0x00, 0x01, 0x03] as [UInt8])
    func `what is typed before the guest listens is kept through its driver's start`(modemControl: UInt8) {
        let typed = Array("poweroff and more than a FIFO holds\n".utf8)
        #expect(serial.receive(typed) == 0)
        let (port, backend) = (port, serial.backend)
        let delivered = Mutex(0)
        backend.onReceiveReady {
            delivered.withLock { $0 += port.receive(Array(typed[$0...]).span) }
        }
        // The console is set up, writes, and polls the line status once a byte and twice a line.
        port.set(UART.mcr, modemControl)
        for _ in 0..<100 {
            _ = port.byte(UART.lsr)
            _ = port.byte(UART.lsr)
            port.set(UART.data, 0x2e)
        }
        serial.probeAsLinux()
        #expect(backend.receiveReadyCalls == 0)
        serial.openAsLinux()
        #expect(serial.line.level)
        #expect(serial.readAll() == typed)
    }

    @Test func `a guest that only polls is heard`() {
        #expect(serial.receive([7]) == 0)
        for _ in 0..<15 { #expect(port.byte(UART.lsr) & UART.dr == 0) }
        #expect(serial.backend.receiveReadyCalls == 0)
        _ = port.byte(UART.lsr)
        #expect(serial.backend.receiveReadyCalls == 1)
        #expect(serial.receive([7, 8]) == 1)
        #expect(port.byte(UART.data) == 7)
        port.set(UART.data, 7)
        #expect(serial.receive([8]) == 1)
        #expect(port.byte(UART.data) == 8)
    }

    @Test func `a guest with interrupts and no modem control is heard`() {
        port.set(UART.ier, UART.erbfi)
        #expect(serial.receive([7]) == 1)
        #expect(serial.line.level)
    }

    @Test func `a reset of the receive FIFO discards what arrived`() {
        serial.openAsLinux()
        #expect(serial.receive([1, 2, 3]) == 3)
        port.set(UART.fcr, 0x83)
        #expect(port.byte(UART.lsr) & UART.dr == 0)
        #expect(!serial.line.level)
        #expect(port.byte(UART.data) == 0)
    }
}
