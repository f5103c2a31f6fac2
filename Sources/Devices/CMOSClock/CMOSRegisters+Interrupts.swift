/// The three causes of interrupt 8, worked out from the time that has passed.
extension CMOSRegisters {
    /// Sets the flags of what came about up to `now`.
    mutating func evaluate(now: WallTime) {
        let time = offset.applied(to: now)
        defer { evaluated = time }
        guard let evaluated, evaluated < time else { return }
        if let rate = periodicRate, evaluated.tick(rate) != time.tick(rate) { flags |= Flag.periodic }
        guard !isStanding, evaluated.seconds != time.seconds else { return }
        flags |= Flag.update
        if let alarm = nextAlarm(after: evaluated.seconds), alarm <= time.seconds { flags |= Flag.alarm }
    }

    /// Nanoseconds from `now` until an enabled interrupt that is not yet flagged comes about.
    func nextInterrupt(now: WallTime) -> UInt64? {
        let time = offset.applied(to: now)
        let wanted = controlB & ControlB.interrupts & ~flags
        var next: UInt64?
        func consider(_ nanoseconds: UInt64) { next = min(next ?? .max, nanoseconds) }
        if wanted & Flag.periodic != 0, let rate = periodicRate {
            let period = 1_000_000_000 / UInt64(rate)
            consider(period - UInt64(time.nanoseconds) % period)
        }
        if isStanding { return next }
        let untilSecond = UInt64(1_000_000_000 - time.nanoseconds)
        if wanted & Flag.update != 0 { consider(untilSecond) }
        if wanted & Flag.alarm != 0, let alarm = nextAlarm(after: time.seconds) {
            consider(untilSecond + UInt64(alarm - time.seconds - 1) * 1_000_000_000)
        }
        return next
    }

    /// Periodic interrupts a second: a power of two from 2 to 8192.
    private var periodicRate: UInt32? {
        guard controlA & ControlA.divider == ControlA.running else { return nil }
        switch controlA & ControlA.rate {
        case 0: return nil
        case 1: return 256
        case 2: return 128
        case let rate: return 32768 >> UInt32(rate - 1)
        }
    }

    /// The first second after `second` that the alarm registers name; values of 0xc0 and above match any.
    func nextAlarm(after second: Int64) -> Int64? {
        func candidates(_ register: UInt8, _ limit: Int, _ decode: (UInt8) -> Int) -> Range<Int> {
            let value = memory[Int(register)]
            if value >= 0xc0 { return 0..<limit }
            let exact = decode(value)
            return exact < limit ? exact..<exact + 1 : 0..<0
        }
        let hours = candidates(Register.hourAlarm, 24, decodedHour)
        let minutes = candidates(Register.minuteAlarm, 60, decoded)
        let seconds = candidates(Register.secondAlarm, 60, decoded)
        guard !hours.isEmpty, !minutes.isEmpty, !seconds.isEmpty else { return nil }

        let ofDay = Int(((second % 86400) + 86400) % 86400)
        let day = second - Int64(ofDay)
        // Today's and tomorrow's hours; in each the latest match shows whether to look closer.
        for hour in Array(hours) + hours.map({ $0 + 24 }) {
            for minute in minutes where hour * 3600 + minute * 60 + seconds.upperBound - 1 > ofDay {
                let start = hour * 3600 + minute * 60
                return day + Int64(max(start + seconds.lowerBound, ofDay + 1))
            }
        }
        return nil
    }
}

extension WallTime {
    /// The number of the period that this time is in, for `rate` periods a second.
    fileprivate func tick(_ rate: UInt32) -> (Int64, Int64) {
        (seconds, Int64(nanoseconds) * Int64(rate) / 1_000_000_000)
    }
}
