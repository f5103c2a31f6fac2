import Devices
import Dispatch
import Glibc
import Synchronization
import TestSupport
import Testing

/// Long random runs: what goes in comes out, in order, whatever the two sides do.
@Suite struct SerialModelTests {
    @Test(arguments: 0..<20 as Range<UInt64>)
    func `bytes out equal bytes in under random backpressure`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let serial = SerialFixture()
        serial.openAsLinux()
        var written: [UInt8] = []
        var offered = 0
        var read: [UInt8] = []
        let input = (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        while written.count < 5_000 || read.count < input.count {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:  // the guest's transmit interrupt: a batch when the transmitter is empty
                if serial.port.byte(UART.lsr) & UART.thre != 0 {
                    for _ in 0..<Int.random(in: 1...16, using: &generator) {
                        let byte = UInt8.random(in: 0...255, using: &generator)
                        written.append(byte)
                        serial.port.set(UART.data, byte)
                    }
                }
            case 1:
                serial.backend.setRoom(.random(in: 0...24, using: &generator))
                serial.port.transmitReady()
            case 2:
                let end = min(input.count, offered + Int.random(in: 1...40, using: &generator))
                offered += serial.receive(Array(input[offered..<end]))
            default:
                for _ in 0..<Int.random(in: 1...20, using: &generator) {
                    guard serial.port.byte(UART.lsr) & UART.dr != 0 else { break }
                    read.append(serial.port.byte(UART.data))
                }
            }
        }
        serial.backend.setRoom(.max)
        serial.port.transmitReady()
        #expect(serial.backend.bytes == written)
        #expect(read == input)
        #expect(serial.port.lostBytes == 0)
        #expect(serial.line.repeats == 0)
    }

    /// A backend whose room comes and goes on another thread.
    private final class SlowBackend: ConsoleBackend {
        private struct State {
            var bytes: [UInt8] = []
            var room = 0
            var isTransmitting = false
            var overlaps = 0
        }

        private let state = Mutex(State())

        func transmit(_ bytes: Span<UInt8>) -> Int {
            state.withLock {
                if $0.isTransmitting { $0.overlaps += 1 }
                $0.isTransmitting = true
            }
            return state.withLock { state in
                let taken = min(bytes.count, state.room)
                for index in 0..<taken { state.bytes.append(bytes[index]) }
                state.room -= taken
                state.isTransmitting = false
                return taken
            }
        }

        func receiveReady() {}
        func addRoom(_ count: Int) { state.withLock { $0.room = count } }
        var bytes: [UInt8] { state.withLock { $0.bytes } }
        var overlaps: Int { state.withLock { $0.overlaps } }
    }

    @Test func `a guest and a host on threads of their own never lose the wake-up`() {
        let line = RecordingLine()
        let backend = SlowBackend()
        let port = Serial16550A(interrupt: line, backend: backend)
        port.set(UART.fcr, 0x01)
        let total = 20_000
        let isDone = Atomic(false)
        let host = DispatchQueue(label: "host")
        let finished = DispatchSemaphore(value: 0)
        host.async {
            var generator = SeededGenerator(seed: 1)
            while !isDone.load(ordering: .acquiring) {
                backend.addRoom(.random(in: 1...20, using: &generator))
                port.transmitReady()
                if Int.random(in: 0..<4, using: &generator) == 0 { usleep(1) }
            }
            finished.signal()
        }
        var next = 0
        while next < total {
            guard port.byte(UART.lsr) & UART.thre != 0 else { continue }
            for _ in 0..<min(16, total - next) {
                port.set(UART.data, UInt8(truncatingIfNeeded: next))
                next += 1
            }
        }
        while port.byte(UART.lsr) & UART.temt == 0 {}
        isDone.store(true, ordering: .releasing)
        finished.wait()
        #expect(backend.bytes == (0..<total).map { UInt8(truncatingIfNeeded: $0) })
        #expect(backend.overlaps == 0)
        #expect(port.lostBytes == 0)
    }

    @Test func `random accesses from many threads keep it whole`() throws {
        let serial = SerialFixture()
        let port = serial.port
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            var generator = SeededGenerator(seed: UInt64(thread))
            for _ in 0..<5_000 {
                let offset = UInt16.random(in: 0...9, using: &generator)
                let width = [1, 2, 4].randomElement(using: &generator) ?? 1
                switch Int.random(in: 0..<6, using: &generator) {
                case 0, 1: _ = port.read(offset: offset, width: width)
                case 2, 3: port.write(offset: offset, width: width, value: .random(in: 0 ... .max, using: &generator))
                case 4: #expect(port.receive([1, 2, 3].span) <= 3)
                default:
                    serial.backend.setRoom(.random(in: 0...5, using: &generator))
                    port.transmitReady()
                }
            }
        }
        #expect(serial.line.repeats == 0)
        let state = port.state
        #expect(try SerialFixture(state: state).port.state == state)
        // It still works.
        serial.backend.setRoom(.max)
        port.transmitReady()
        port.set(UART.lcr, 0x03)
        port.set(UART.mcr, 0x00)
        port.set(UART.fcr, 0x03)
        port.set(UART.data, 0x42)
        #expect(serial.backend.bytes.last == 0x42)
    }
}
