/// The registers of an MC146818 and what accesses do to them at a given time of the host's clock: no lock, no calls to
/// anybody. Source: Motorola MC146818A data sheet; the century at 0x32 as in ACPI 6.5, 5.2.9, `CENTURY`.
struct CMOSRegisters: Sendable {
    /// The register that port 0x71 reaches: 0 to 127. (Bit 7 of port 0x70 masks the NMI, which no PC part here raises.)
    var index: UInt8 = 0
    /// Alarms, memory, and while the clock stands, the time, as the guest wrote them.
    var memory = InlineArray<128, UInt8>(repeating: 0)
    var controlA: UInt8 = 0x26
    var controlB: UInt8 = 0x02
    /// PF, AF and UF of register C.
    var flags: UInt8 = 0
    /// What is added to the host's time.
    var offset = TimeOffset()
    /// The time up to which `flags` were brought.
    var evaluated: WallTime?
    /// The time that reads see.
    var snapshot: WallTime?

    enum Register {
        static let second: UInt8 = 0x00
        static let secondAlarm: UInt8 = 0x01
        static let minute: UInt8 = 0x02
        static let minuteAlarm: UInt8 = 0x03
        static let hour: UInt8 = 0x04
        static let hourAlarm: UInt8 = 0x05
        static let weekday: UInt8 = 0x06
        static let day: UInt8 = 0x07
        static let month: UInt8 = 0x08
        static let year: UInt8 = 0x09
        static let a: UInt8 = 0x0a
        static let b: UInt8 = 0x0b
        static let c: UInt8 = 0x0c
        static let d: UInt8 = 0x0d
        static let century: UInt8 = 0x32
        static let time: [UInt8] = [second, minute, hour, weekday, day, month, year, century]
    }

    enum ControlA {
        static let updateInProgress: UInt8 = 0x80
        static let divider: UInt8 = 0x70
        static let running: UInt8 = 0x20
        static let rate: UInt8 = 0x0f
    }

    enum ControlB {
        static let set: UInt8 = 0x80
        static let interrupts: UInt8 = 0x70
        static let binary: UInt8 = 0x04
        static let hours24: UInt8 = 0x02
    }

    enum Flag {
        static let interrupt: UInt8 = 0x80
        static let periodic: UInt8 = 0x40
        static let alarm: UInt8 = 0x20
        static let update: UInt8 = 0x10
    }

    /// The divider chain is held in reset (DV = 11x).
    private var isDividerReset: Bool { controlA & 0x60 == 0x60 }
    /// The guest sets the time, or the divider is held: the time registers are plain memory.
    var isStanding: Bool { controlB & ControlB.set != 0 || isDividerReset }
    /// What the interrupt pin shows.
    var interruptLevel: Bool { flags & controlB & ControlB.interrupts != 0 }

    mutating func read(now: WallTime) -> UInt8 {
        switch index {
        case Register.a:
            let time = offset.applied(to: now)
            snapshot = time
            let isUpdating = !isStanding && time.nanoseconds >= 1_000_000_000 - 244_000
            return controlA | (isUpdating ? ControlA.updateInProgress : 0)
        case Register.b: return controlB
        case Register.c:
            defer { flags = 0 }
            return flags | (interruptLevel ? Flag.interrupt : 0)
        case Register.d: return 0x80  // the battery is good
        case _ where Register.time.contains(index) && !isStanding:
            return encoded(CalendarTime(secondsSince1970: snapshotTime(now).seconds), index)
        default: return memory[Int(index)]
        }
    }

    mutating func write(_ value: UInt8, now: WallTime) {
        switch index {
        case Register.a, Register.b: writeControl(value, now: now)
        case Register.c, Register.d: break
        case _ where Register.time.contains(index) && !isStanding:
            var calendar = CalendarTime(secondsSince1970: offset.applied(to: now).seconds)
            decode(value, index, into: &calendar)
            set(calendar, now: now)
        default: memory[Int(index)] = value
        }
    }

    private mutating func writeControl(_ value: UInt8, now: WallTime) {
        let wasStanding = isStanding
        let wasReset = isDividerReset
        let calendar = CalendarTime(secondsSince1970: offset.applied(to: now).seconds)
        if !wasStanding {
            for register in Register.time { memory[Int(register)] = encoded(calendar, register) }
        }
        if index == Register.a {
            controlA = value & ~ControlA.updateInProgress
            // The first update comes half a second after the divider starts.
            if wasReset, !isDividerReset { offset.setFraction(500_000_000, now: now) }
        } else {
            controlB = value
        }
        if wasStanding, !isStanding {
            var calendar = CalendarTime(year: 0, month: 1, day: 1)
            for register in Register.time { decode(memory[Int(register)], register, into: &calendar) }
            set(calendar, now: now)
        }
    }

    private mutating func set(_ calendar: CalendarTime, now: WallTime) {
        offset.setSeconds(calendar.secondsSince1970, now: now)
        snapshot = nil
        evaluated = nil
    }

    // Fields of one time, however slowly they are read: the seconds are read anew, the others for a second from then.
    private mutating func snapshotTime(_ now: WallTime) -> WallTime {
        let time = offset.applied(to: now)
        if index != Register.second, let snapshot, snapshot <= time {
            // No overflow: both are within what a calendar shows.
            let whole = time.seconds - snapshot.seconds
            if whole == 0 || whole == 1 && time.nanoseconds < snapshot.nanoseconds { return snapshot }
        }
        snapshot = time
        return time
    }
}

/// The encoding that register B asks for.
extension CMOSRegisters {
    private func encoded(_ time: CalendarTime, _ register: UInt8) -> UInt8 {
        switch register {
        case Register.second: encoded(time.second)
        case Register.minute: encoded(time.minute)
        case Register.hour: encodedHour(time.hour)
        case Register.weekday: encoded(time.weekday)
        case Register.day: encoded(time.day)
        case Register.month: encoded(time.month)
        case Register.year: encoded(time.year % 100)
        default: encoded(time.year / 100)
        }
    }

    private func decode(_ value: UInt8, _ register: UInt8, into time: inout CalendarTime) {
        switch register {
        case Register.second: time.second = decoded(value)
        case Register.minute: time.minute = decoded(value)
        case Register.hour: time.hour = decodedHour(value)
        case Register.weekday: break  // follows from the date
        case Register.day: time.day = decoded(value)
        case Register.month: time.month = decoded(value)
        case Register.year: time.year = time.year / 100 * 100 + min(decoded(value), 99)
        default: time.year = min(decoded(value), 99) * 100 + time.year % 100
        }
    }

    private func encoded(_ value: Int) -> UInt8 {
        UInt8(controlB & ControlB.binary != 0 ? value : value / 10 * 16 + value % 10)
    }

    func decoded(_ value: UInt8) -> Int {
        controlB & ControlB.binary != 0 ? Int(value) : Int(value >> 4) * 10 + Int(value & 0x0f)
    }

    private func encodedHour(_ hour: Int) -> UInt8 {
        if controlB & ControlB.hours24 != 0 { return encoded(hour) }
        return encoded((hour + 11) % 12 + 1) | (hour >= 12 ? 0x80 : 0)
    }

    func decodedHour(_ value: UInt8) -> Int {
        if controlB & ControlB.hours24 != 0 { return decoded(value) }
        return decoded(value & 0x7f) % 12 + (value & 0x80 != 0 ? 12 : 0)
    }
}
