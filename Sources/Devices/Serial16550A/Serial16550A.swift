import Synchronization

/// A 16550A serial port: eight byte-wide registers and one interrupt line.
///
/// The guest's accesses and the host's calls may come from any threads. Output leaves as fast as the backend takes it;
/// when the backend takes no more, the transmitter stays busy until `transmitReady()`, so a slow terminal slows the
/// guest. Input that does not fit stays with the host until the backend hears `receiveReady()`. Nothing grows.
///
/// Where it differs from the chip, on purpose: line speed, format and break have no effect; a reset of the transmit FIFO
/// keeps the bytes in it, and switching the FIFOs those in both; the interrupt pin is not gated by OUT2; a character
/// time-out comes at once; the interrupt line shows the level after each access, so a cause that ends and comes back
/// within one makes no edge.
package final class Serial16550A: BytePortDevice, ConsolePort {
    /// Registers, at consecutive ports.
    package static let portCount: UInt16 = 8

    struct Core {
        var registers: SerialRegisters
        var interruptLevel = false
        /// Somebody is handing bytes to the backend.
        var isDraining = false
        /// The backend had room again while somebody was.
        var isReadyAgain = false

        /// What is to be handed over next, by the caller alone from now on; `nil` when there is nothing.
        mutating func startBatch() -> Batch? {
            isReadyAgain = false
            isDraining = !registers.transmitFIFO.isEmpty
            guard isDraining else { return nil }
            var batch = Batch(count: registers.transmitFIFO.count)
            registers.transmitFIFO.copy(to: &batch.bytes)
            return batch
        }
    }

    /// A copy of the transmit FIFO.
    struct Batch {
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        var count: Int
    }

    private let core: Mutex<Core>
    private let interrupt: any InterruptLine
    private let backend: any ConsoleBackend

    /// A port as after power-on.
    package convenience init(interrupt: any InterruptLine, backend: any ConsoleBackend) {
        self.init(registers: SerialRegisters(), interrupt: interrupt, backend: backend)
    }

    init(registers: SerialRegisters, interrupt: any InterruptLine, backend: any ConsoleBackend) {
        self.interrupt = interrupt
        self.backend = backend
        core = Mutex(Core(registers: registers))
        core.withLock { updateInterrupt(&$0) }
    }

    /// The registers, for saving.
    var registers: SerialRegisters { core.withLock { $0.registers } }

    /// Bytes lost so far because the guest wrote to a full transmitter, as a chip would lose them.
    package var lostBytes: UInt64 { core.withLock { $0.registers.lostBytes } }

    // MARK: The guest's side

    package func read(offset: UInt16) -> UInt8 {
        let (value, isReceiveReady) = core.withLock { core in
            let value = core.registers.read(offset: offset)
            updateInterrupt(&core)
            return (value, core.registers.takeReceiveReady())
        }
        if isReceiveReady { backend.receiveReady() }
        return value
    }

    package func write(offset: UInt16, value: UInt8) {
        let (batch, isReceiveReady) = core.withLock { core in
            core.registers.write(offset: offset, value: value)
            let batch = offset == 0 && !core.isDraining ? core.startBatch() : nil
            // A byte that leaves at once makes no change of level in between.
            if batch == nil { updateInterrupt(&core) }
            return (batch, core.registers.takeReceiveReady())
        }
        if let batch { drain(batch) }
        if isReceiveReady { backend.receiveReady() }
    }

    // MARK: The host's side

    /// Takes from the front of `bytes` what the guest has room for, and returns how many that were.
    ///
    /// When that is fewer than all of them, the backend hears `receiveReady()` once the guest takes more.
    package func receive(_ bytes: Span<UInt8>) -> Int {
        core.withLock { core in
            let accepted = core.registers.receive(bytes)
            // A guest that left earlier bytes unread gets an edge for the new ones too.
            if accepted > 0, core.interruptLevel { setInterrupt(&core, false) }
            updateInterrupt(&core)
            return accepted
        }
    }

    /// The backend has room again.
    package func transmitReady() {
        let batch = core.withLock { core in
            core.isReadyAgain = true
            return core.isDraining ? nil : core.startBatch()
        }
        if let batch { drain(batch) }
    }

    // One thread at a time hands bytes over, so that they stay in order.
    private func drain(_ first: Batch) {
        var next: Batch? = first
        while let batch = next {
            let accepted = backend.transmit(batch.bytes.span.extracting(first: batch.count))
            precondition(accepted >= 0 && accepted <= batch.count)
            next = core.withLock { core in
                core.registers.transmitted(accepted)
                updateInterrupt(&core)
                if accepted < batch.count, !core.isReadyAgain {
                    core.isDraining = false
                    return nil
                }
                return core.startBatch()
            }
        }
    }

    private func updateInterrupt(_ core: inout Core) {
        let level = core.registers.interruptLevel
        if level != core.interruptLevel { setInterrupt(&core, level) }
    }

    private func setInterrupt(_ core: inout Core, _ level: Bool) {
        core.interruptLevel = level
        interrupt.set(level)
    }
}
