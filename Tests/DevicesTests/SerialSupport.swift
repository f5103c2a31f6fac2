import Devices
import Synchronization

/// A serial port's backend that takes as many bytes as it is told to, and keeps them.
final class RecordingBackend: ConsoleBackend {
    private struct State {
        var bytes: [UInt8] = []
        var room = Int.max
        var calls = 0
        var receiveReadyCalls = 0
        var onReceiveReady: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    func transmit(_ bytes: Span<UInt8>) -> Int {
        state.withLock { state in
            state.calls += 1
            let taken = min(bytes.count, state.room)
            for index in 0..<taken { state.bytes.append(bytes[index]) }
            if state.room != .max { state.room -= taken }
            return taken
        }
    }

    func receiveReady() {
        let action = state.withLock { state in
            state.receiveReadyCalls += 1
            return state.onReceiveReady
        }
        action?()
    }

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var calls: Int { state.withLock { $0.calls } }
    var receiveReadyCalls: Int { state.withLock { $0.receiveReadyCalls } }
    func setRoom(_ room: Int) { state.withLock { $0.room = room } }
    func onReceiveReady(_ action: (@Sendable () -> Void)?) { state.withLock { $0.onReceiveReady = action } }
}

/// The registers of a 16550A and their bits, named as in its data sheet.
enum UART {
    static let data: UInt16 = 0
    static let ier: UInt16 = 1
    static let iir: UInt16 = 2
    static let fcr: UInt16 = 2
    static let lcr: UInt16 = 3
    static let mcr: UInt16 = 4
    static let lsr: UInt16 = 5
    static let msr: UInt16 = 6
    static let scr: UInt16 = 7

    static let erbfi: UInt8 = 0x01
    static let etbei: UInt8 = 0x02
    static let elsi: UInt8 = 0x04
    static let edssi: UInt8 = 0x08

    static let dr: UInt8 = 0x01
    static let oe: UInt8 = 0x02
    static let thre: UInt8 = 0x20
    static let temt: UInt8 = 0x40

    static let noInterrupt: UInt8 = 0x01
}

/// A port with everything around it.
struct SerialFixture {
    let line = RecordingLine()
    let backend = RecordingBackend()
    let port: Serial16550A

    init() { port = Serial16550A(interrupt: line, backend: backend) }

    init(state: Serial16550A.State) throws {
        port = try Serial16550A(state: state, interrupt: line, backend: backend)
    }

    /// The accesses of Linux's driver when it looks for the port.
    func probeAsLinux() {
        port.set(UART.ier, 0x00)
        port.set(UART.ier, 0x0f)
        _ = port.byte(UART.ier)
        port.set(UART.ier, 0x00)
        let modemControl = port.byte(UART.mcr)
        port.set(UART.mcr, 0x1a)
        _ = port.byte(UART.msr)
        port.set(UART.mcr, modemControl)
        port.set(UART.fcr, 0x01)
        _ = port.byte(UART.iir)
        clearAsLinux()
    }

    /// The accesses of Linux's driver when the port is opened: empties it, enables its interrupts, and sets its speed
    /// and FIFOs, with trigger level 8.
    func openAsLinux() {
        clearAsLinux()
        port.set(UART.lcr, 0x03)
        port.set(UART.mcr, 0x09)
        port.set(UART.ier, UART.etbei)
        _ = port.byte(UART.iir)
        port.set(UART.ier, 0)
        clearRegistersAsLinux()
        port.set(UART.ier, UART.erbfi | UART.elsi)
        port.set(UART.lcr, 0x93)
        port.set(UART.data, 0x01)
        port.set(UART.ier, 0x00)
        port.set(UART.lcr, 0x13)
        port.set(UART.fcr, 0x01)
        port.set(UART.fcr, 0x81)
        port.set(UART.mcr, 0x0b)
    }

    private func clearAsLinux() {
        port.set(UART.fcr, 0x01)
        port.set(UART.fcr, 0x07)
        port.set(UART.fcr, 0x00)
        clearRegistersAsLinux()
    }

    private func clearRegistersAsLinux() {
        for register in [UART.lsr, UART.data, UART.iir, UART.msr] { _ = port.byte(register) }
    }

    func receive(_ bytes: [UInt8]) -> Int { port.receive(bytes.span) }

    /// The cause that the identification register tells, without the bits of the FIFOs.
    func cause() -> UInt8 { port.byte(UART.iir) & 0x0f }

    func readAll() -> [UInt8] {
        var bytes: [UInt8] = []
        while port.byte(UART.lsr) & UART.dr != 0 { bytes.append(port.byte(UART.data)) }
        return bytes
    }
}
