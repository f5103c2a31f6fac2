/// The registers of a 16550A and what accesses do to them, on their own: no lock, no calls to anybody.
///
/// The line is as fast as the host takes bytes: a byte is on its way when it is written, and the transmit FIFO holds
/// only what the host has no room for. Source: National Semiconductor PC16550D data sheet, section 8.
struct SerialRegisters: Sendable {
    /// Consecutive reads of an idle line status after which the guest counts as one that waits for input by polling.
    static let pollsBeforeListening = 16

    var interruptEnable: InterruptEnable = []
    var lineControl: UInt8 = 0
    var modemControl: ModemControl = []
    var modemStatusChanges: UInt8 = 0
    var scratch: UInt8 = 0
    /// 115,200 baud divided by the line's speed; kept for the guest, without effect.
    var divisor: UInt16 = 12
    var fifosEnabled = false
    /// Bytes in the receive FIFO from which "data available" is told apart from "character time-out": 1, 4, 8 or 14.
    var receiveTrigger = 1
    var overrun = false
    /// The transmitter became empty, or its interrupt was enabled while it was, and the guest was not yet told.
    var transmitterEmptyPending = false
    var receiveFIFO = SerialFIFO()
    var transmitFIFO = SerialFIFO()
    var idlePolls = 0
    /// The host holds bytes that did not fit.
    var senderWaits = false
    /// Bytes that the guest wrote although the transmitter was full.
    var lostBytes: UInt64 = 0

    struct InterruptEnable: OptionSet {
        let rawValue: UInt8
        static let receivedData = Self(rawValue: 1 << 0)
        static let transmitterEmpty = Self(rawValue: 1 << 1)
        static let lineStatus = Self(rawValue: 1 << 2)
        static let modemStatus = Self(rawValue: 1 << 3)
        static let all: Self = [.receivedData, .transmitterEmpty, .lineStatus, .modemStatus]
    }

    struct ModemControl: OptionSet {
        let rawValue: UInt8
        static let dataTerminalReady = Self(rawValue: 1 << 0)
        static let requestToSend = Self(rawValue: 1 << 1)
        static let out1 = Self(rawValue: 1 << 2)
        static let out2 = Self(rawValue: 1 << 3)
        static let loopback = Self(rawValue: 1 << 4)
        static let all: Self = [.dataTerminalReady, .requestToSend, .out1, .out2, .loopback]
    }

    private enum LineStatus {
        static let dataReady: UInt8 = 0x01
        static let overrun: UInt8 = 0x02
        static let transmitterEmpty: UInt8 = 0x20 | 0x40
    }

    private enum Identification {
        static let none: UInt8 = 0x01
        static let lineStatus: UInt8 = 0x06
        static let receivedData: UInt8 = 0x04
        static let characterTimeout: UInt8 = 0x0c
        static let transmitterEmpty: UInt8 = 0x02
        static let modemStatus: UInt8 = 0x00
        static let fifosEnabled: UInt8 = 0xc0
    }

    private var divisorLatchAccess: Bool { lineControl & 0x80 != 0 }
    private var loopback: Bool { modemControl.contains(.loopback) }
    private var fifoCapacity: Int { fifosEnabled ? SerialFIFO.capacity : 1 }

    // MARK: The guest's side

    mutating func read(offset: UInt16) -> UInt8 {
        switch offset {
        case 0:
            if divisorLatchAccess { return UInt8(truncatingIfNeeded: divisor) }
            return receiveFIFO.removeFirst() ?? 0
        case 1:
            return divisorLatchAccess ? UInt8(truncatingIfNeeded: divisor >> 8) : interruptEnable.rawValue
        case 2: return readIdentification()
        case 3: return lineControl
        case 4: return modemControl.rawValue
        case 5: return readLineStatus()
        case 6:
            defer { modemStatusChanges = 0 }
            return modemLines | modemStatusChanges
        case 7: return scratch
        default: return 0xff
        }
    }

    mutating func write(offset: UInt16, value: UInt8) {
        switch offset {
        case 0:
            if divisorLatchAccess { divisor = divisor & 0xff00 | UInt16(value) } else { send(value) }
        case 1:
            if divisorLatchAccess {
                divisor = divisor & 0x00ff | UInt16(value) << 8
            } else {
                enableInterrupts(InterruptEnable(rawValue: value).intersection(.all))
            }
        case 2: controlFIFOs(value)
        case 3: lineControl = value
        case 4:
            let before = modemLines
            modemControl = ModemControl(rawValue: value).intersection(.all)
            noteModemChanges(from: before)
        case 7: scratch = value
        default: break  // line and modem status are read-only
        }
    }

    /// What the interrupt pin shows.
    var interruptLevel: Bool { identification != Identification.none }

    /// The most urgent cause of an interrupt.
    private var identification: UInt8 {
        if interruptEnable.contains(.lineStatus), overrun { return Identification.lineStatus }
        if interruptEnable.contains(.receivedData), !receiveFIFO.isEmpty {
            // Nothing says when the host sends more, so fewer bytes than the trigger level time out at once.
            return receiveFIFO.count >= receiveTrigger ? Identification.receivedData : Identification.characterTimeout
        }
        if interruptEnable.contains(.transmitterEmpty), transmitterEmptyPending {
            return Identification.transmitterEmpty
        }
        if interruptEnable.contains(.modemStatus), modemStatusChanges != 0 { return Identification.modemStatus }
        return Identification.none
    }

    private mutating func readIdentification() -> UInt8 {
        let cause = identification
        if cause == Identification.transmitterEmpty { transmitterEmptyPending = false }
        return cause | (fifosEnabled ? Identification.fifosEnabled : 0)
    }

    private mutating func readLineStatus() -> UInt8 {
        var status: UInt8 = 0
        if !receiveFIFO.isEmpty { status |= LineStatus.dataReady }
        if overrun { status |= LineStatus.overrun }
        if transmitFIFO.isEmpty { status |= LineStatus.transmitterEmpty }
        overrun = false
        if status == LineStatus.transmitterEmpty, idlePolls < Self.pollsBeforeListening { idlePolls += 1 }
        return status
    }

    private mutating func enableInterrupts(_ new: InterruptEnable) {
        if new.contains(.transmitterEmpty), !interruptEnable.contains(.transmitterEmpty), transmitFIFO.isEmpty {
            transmitterEmptyPending = true
        }
        interruptEnable = new
    }

    /// Received bytes are discarded when that is asked for, and not, as on a chip, also when the FIFOs are switched:
    /// drivers switch them on after they enabled the receiver's interrupt. Bytes to transmit are never discarded: the
    /// guest sees them leave when it writes them.
    private mutating func controlFIFOs(_ value: UInt8) {
        let enable = value & 0x01 != 0
        if enable, value & 0x02 != 0 {
            receiveFIFO.removeAll()
            idlePolls = 0
        }
        fifosEnabled = enable
        receiveTrigger = enable ? [1, 4, 8, 14][Int(value >> 6)] : 1
    }

    private mutating func send(_ byte: UInt8) {
        if idlePolls < Self.pollsBeforeListening { idlePolls = 0 }
        transmitterEmptyPending = false
        if loopback {
            receiveLooped(byte)
            transmitterEmptyPending = transmitFIFO.isEmpty
        } else if transmitFIFO.count < fifoCapacity {
            transmitFIFO.append(byte)
        } else {
            lostBytes &+= 1
        }
    }

    /// Without FIFOs the newest byte overwrites an unread one; a full FIFO keeps what it has.
    private mutating func receiveLooped(_ byte: UInt8) {
        if receiveFIFO.count < fifoCapacity { return receiveFIFO.append(byte) }
        overrun = true
        if !fifosEnabled { receiveFIFO.replaceLast(with: byte) }
    }

    /// Carrier, data set ready and clear to send are always there; in loopback the guest's own outputs come back.
    private var modemLines: UInt8 {
        guard loopback else { return 0xb0 }
        var lines: UInt8 = 0
        if modemControl.contains(.requestToSend) { lines |= 0x10 }
        if modemControl.contains(.dataTerminalReady) { lines |= 0x20 }
        if modemControl.contains(.out1) { lines |= 0x40 }
        if modemControl.contains(.out2) { lines |= 0x80 }
        return lines
    }

    private mutating func noteModemChanges(from before: UInt8) {
        let after = modemLines
        // The ring indicator tells its end only.
        let changed = (before ^ after) & 0xb0 | before & ~after & 0x40
        modemStatusChanges |= changed >> 4
    }

    // MARK: The host's side

    /// Whether input has a reader: the guest takes interrupts for it, or polls.
    ///
    /// Until then input stays with the host, since drivers empty the receiver while they set the port up, and would
    /// throw away what was typed or piped in before. A driver that probes for the port switches all four interrupts on
    /// for a moment, before it opens a PC's interrupt gate, OUT2; that is no reader yet.
    private var isListening: Bool {
        if idlePolls >= Self.pollsBeforeListening { return true }
        guard interruptEnable.contains(.receivedData) else { return false }
        return modemControl.contains(.out2) || interruptEnable != .all
    }

    /// Takes from the front of `bytes` what the guest has room for, and says how many that were.
    mutating func receive(_ bytes: Span<UInt8>) -> Int {
        let room = isListening && !loopback ? max(0, fifoCapacity - receiveFIFO.count) : 0
        let accepted = min(room, bytes.count)
        for index in 0..<accepted { receiveFIFO.append(bytes[index]) }
        if accepted < bytes.count { senderWaits = true }
        return accepted
    }

    /// Whether to tell the host, once, that bytes it kept back now fit.
    mutating func takeReceiveReady() -> Bool {
        guard senderWaits, receiveFIFO.isEmpty, isListening, !loopback else { return false }
        senderWaits = false
        return true
    }

    /// The host took `count` bytes off the transmit FIFO.
    mutating func transmitted(_ count: Int) {
        transmitFIFO.removeFirst(count)
        if count > 0, transmitFIFO.isEmpty { transmitterEmptyPending = true }
    }
}
