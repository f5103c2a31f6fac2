import Devices
import Synchronization
import TestSupport
import Testing

/// A host's clock that stands until it is moved, and the timer that goes with it.
private final class Clock: DeviceTimer {
    private struct State {
        var now: WallTime
        var request: UInt64?
        var calls = 0
    }

    private let state: Mutex<State>

    init(_ now: WallTime) { state = Mutex(State(now: now)) }

    var now: WallTime { state.withLock { $0.now } }
    /// Nanoseconds asked for last.
    var request: UInt64? { state.withLock { $0.request } }
    var calls: Int { state.withLock { $0.calls } }

    func set(_ now: WallTime) { state.withLock { $0.now = now } }

    func advance(nanoseconds: UInt64) {
        state.withLock { state in
            let sum = UInt64(state.now.nanoseconds) + nanoseconds
            state.now = WallTime(
                seconds: state.now.seconds + Int64(sum / 1_000_000_000), nanoseconds: UInt32(sum % 1_000_000_000))
        }
    }

    func schedule(after nanoseconds: UInt64?) {
        state.withLock {
            $0.request = nanoseconds
            $0.calls += 1
        }
    }
}

private struct Fixture {
    let line = RecordingLine()
    let time: Clock
    let rtc: CMOSClock

    init(_ seconds: Int64, nanoseconds: UInt32 = 0) {
        let time = Clock(WallTime(seconds: seconds, nanoseconds: nanoseconds))
        self.time = time
        rtc = CMOSClock(interrupt: line, timer: time) { time.now }
    }

    subscript(_ register: UInt8) -> UInt8 {
        get {
            rtc.set(0, register)
            return rtc.byte(1)
        }
        nonmutating set {
            rtc.set(0, register)
            rtc.set(1, newValue)
        }
    }

    func expireTimer() {
        time.schedule(after: nil)
        rtc.timerExpired()
    }

    /// Second, minute, hour, day, month, year and century, as they stand in the registers.
    var date: [UInt8] { [0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32].map { self[$0] } }

    /// Sets the time as Linux does: updates stopped and the divider held meanwhile.
    func setAsLinux(_ values: [UInt8]) {
        let control = self[0x0b]
        self[0x0b] = control | 0x80
        let frequency = self[0x0a]
        self[0x0a] = frequency | 0x70
        for (register, value) in zip([0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32] as [UInt8], values) {
            self[register] = value
        }
        self[0x0b] = control
        self[0x0a] = frequency & 0x7f
    }
}

// 2024-02-29 23:59:58 UTC, a Thursday.
private let leapDay: Int64 = 1_709_251_198

@Suite struct CMOSClockTests {
    @Test(
        arguments: [
            (0, [0x00, 0x00, 0x00, 0x01, 0x01, 0x70, 0x19], 5),
            (leapDay, [0x58, 0x59, 0x23, 0x29, 0x02, 0x24, 0x20], 5),
            (leapDay + 2, [0x00, 0x00, 0x00, 0x01, 0x03, 0x24, 0x20], 6),
            (951_782_400, [0x00, 0x00, 0x00, 0x29, 0x02, 0x00, 0x20], 3),
            (4_107_542_399, [0x59, 0x59, 0x23, 0x28, 0x02, 0x00, 0x21], 1),
            (4_107_542_400, [0x00, 0x00, 0x00, 0x01, 0x03, 0x00, 0x21], 2),
            (-1, [0x59, 0x59, 0x23, 0x31, 0x12, 0x69, 0x19], 4),
            (253_402_300_799, [0x59, 0x59, 0x23, 0x31, 0x12, 0x99, 0x99], 6),
            (.max, [0x59, 0x59, 0x23, 0x31, 0x12, 0x99, 0x99], 6),
            (.min, [0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00], 7),
        ] as [(Int64, [UInt8], UInt8)])
    func `the date is the host's, in BCD`(seconds: Int64, date: [UInt8], weekday: UInt8) {
        let fixture = Fixture(seconds)
        #expect(fixture.date == date)
        #expect(fixture[0x06] == weekday)
    }

    @Test func `every day of eight centuries follows the one before`() {
        let fixture = Fixture(0)
        fixture[0x0b] = 0x06
        var (year, month, day, weekday) = (1600, 1, 1, 6)
        var seconds: Int64 = -11_676_096_000
        while year < 2400 {
            fixture.time.set(WallTime(seconds: seconds))
            func shown() -> [Int] { [0x06, 0x07, 0x08, 0x09, 0x32].map { Int(fixture[$0]) } }
            guard (2...27).contains(day) || shown() == [weekday + 1, day, month, year % 100, year / 100] else {
                Issue.record("\(seconds): \(shown()), not \(year)-\(month)-\(day)")
                return
            }
            seconds += 86400
            weekday = (weekday + 1) % 7
            day += 1
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
            if day > length { (day, month) = (1, month + 1) }
            if month > 12 { (month, year) = (1, year + 1) }
        }
    }

    @Test(
        arguments: [
            (0x02, [0x00, 0x01, 0x11, 0x12, 0x13, 0x23]), (0x06, [0, 1, 11, 12, 13, 23]),
            (0x00, [0x12, 0x01, 0x11, 0x92, 0x81, 0x91]), (0x04, [12, 1, 11, 0x8c, 0x81, 0x8b]),
        ] as [(UInt8, [UInt8])])
    func `hours come and go in each of four encodings`(mode: UInt8, expected: [UInt8]) {
        let fixture = Fixture(0)
        fixture[0x0b] = mode
        for (hour, shown) in zip([0, 1, 11, 12, 13, 23], expected) {
            fixture.time.set(WallTime(seconds: Int64(hour) * 3600))
            #expect(fixture[0x00] == 0)
            #expect(fixture[0x04] == shown)
        }
        // Written back in the same encoding, each shows again.
        for shown in expected {
            fixture[0x04] = shown
            #expect(fixture[0x04] == shown)
        }
    }

    @Test func `a time set as Linux sets it goes on half a second later`() {
        let fixture = Fixture(leapDay, nanoseconds: 123_456_789)
        fixture.setAsLinux([0x59, 0x59, 0x23, 0x31, 0x12, 0x37, 0x20])
        #expect(fixture.date == [0x59, 0x59, 0x23, 0x31, 0x12, 0x37, 0x20])
        fixture.time.advance(nanoseconds: 499_999_999)
        #expect(fixture.date == [0x59, 0x59, 0x23, 0x31, 0x12, 0x37, 0x20])
        fixture.time.advance(nanoseconds: 1)
        #expect(fixture.date == [0x00, 0x00, 0x00, 0x01, 0x01, 0x38, 0x20])
    }

    @Test func `while the guest sets it, the clock stands and its registers are memory`() {
        let fixture = Fixture(leapDay)
        fixture[0x0b] = 0x82
        fixture.time.advance(nanoseconds: 10_000_000_000)
        #expect(fixture[0x00] == 0x58)
        fixture[0x00] = 0xff
        #expect(fixture[0x00] == 0xff)
        #expect(fixture[0x0a] & 0x80 == 0)
        fixture[0x00] = 0x30
        fixture[0x0b] = 0x02
        #expect(fixture.date == [0x30, 0x59, 0x23, 0x29, 0x02, 0x24, 0x20])
    }

    @Test func `a field set while it runs changes that field`() {
        let fixture = Fixture(leapDay, nanoseconds: 700_000_000)
        fixture[0x09] = 0x23
        // There is no 29 February 2023.
        #expect(fixture.date == [0x58, 0x59, 0x23, 0x01, 0x03, 0x23, 0x20])
        fixture[0x32] = 0x19
        fixture[0x02] = 0x05
        #expect(fixture.date == [0x58, 0x05, 0x23, 0x01, 0x03, 0x23, 0x19])
        fixture.time.advance(nanoseconds: 300_000_000)
        #expect(fixture[0x00] == 0x59)
    }

    @Test func `a slow guest reads fields of one time`() {
        let fixture = Fixture(leapDay + 1, nanoseconds: 999_000_000)
        #expect(fixture[0x0a] & 0x80 == 0)
        fixture.time.advance(nanoseconds: 900_000_000)
        #expect([0x02, 0x04, 0x07, 0x08, 0x09].map { fixture[$0] } == [0x59, 0x23, 0x29, 0x02, 0x24])
        // The seconds are always those of now, and the others with them from then on.
        #expect(fixture[0x00] == 0x00)
        #expect([0x02, 0x04, 0x07, 0x08, 0x09].map { fixture[$0] } == [0x00, 0x00, 0x01, 0x03, 0x24])
        // Without a read of the seconds, a snapshot does not outlive a second.
        fixture.time.advance(nanoseconds: 60_000_000_000)
        #expect(fixture[0x02] == 0x01)
        // Nor a host's clock that is set back.
        fixture.time.set(WallTime(seconds: 0))
        #expect(fixture[0x09] == 0x70)
    }

    @Test func `an update is announced for 244 microseconds of a second`() {
        let fixture = Fixture(leapDay, nanoseconds: 999_755_999)
        #expect(fixture[0x0a] == 0x26)
        fixture.time.advance(nanoseconds: 1)
        #expect(fixture[0x0a] == 0xa6)
        fixture.time.advance(nanoseconds: 243_999)
        #expect(fixture[0x0a] == 0xa6)
        fixture.time.advance(nanoseconds: 1)
        #expect(fixture[0x0a] == 0x26)
    }

    @Test func `memory is kept, status registers are read-only`() {
        let fixture = Fixture(0)
        for register in 0x0e...0x7f as ClosedRange<UInt8> where register != 0x32 {
            fixture[register] = register ^ 0xff
        }
        for register in 0x0e...0x7f as ClosedRange<UInt8> where register != 0x32 {
            #expect(fixture[register] == register ^ 0xff)
        }
        fixture[0x0c] = 0xff
        fixture[0x0d] = 0x00
        #expect(fixture[0x0c] == 0)
        #expect(fixture[0x0d] == 0x80)
        // Bit 7 of the index masks the NMI and names no other register.
        fixture.rtc.set(0, 0x8e)
        #expect(fixture.rtc.byte(1) == 0x0e ^ 0xff)
        #expect(fixture.rtc.byte(0) == 0xff)
        #expect(fixture.time.calls == 0)
    }
}

@Suite struct CMOSInterruptTests {
    @Test func `the update interrupt comes each second until switched off`() {
        let fixture = Fixture(100, nanoseconds: 250_000_000)
        fixture[0x0b] = 0x12
        #expect(fixture.time.request == 750_000_000)
        #expect(!fixture.line.level)
        fixture.time.advance(nanoseconds: 750_000_000)
        fixture.expireTimer()
        #expect(fixture.line.level)
        // No timer runs until the guest has taken it.
        #expect(fixture.time.request == nil)
        #expect(fixture[0x0c] == 0xd0)
        #expect(!fixture.line.level)
        #expect(fixture[0x0c] == 0x00)
        #expect(fixture.time.request == 1_000_000_000)
        fixture[0x0b] = 0x02
        #expect(fixture.time.request == nil)
        #expect(fixture.line.repeats == 0)
    }

    @Test func `a timer that goes off early is asked for again`() {
        let fixture = Fixture(100)
        fixture[0x0b] = 0x12
        fixture.time.advance(nanoseconds: 999_999_000)
        fixture.expireTimer()
        #expect(!fixture.line.level)
        #expect(fixture.time.request == 1_000)
    }

    @Test(
        arguments: [
            ([0x10, 0x20, 0x03], 3 * 3600 + 20 * 60 + 10), ([0xff, 0x20, 0x03], 3 * 3600 + 20 * 60),
            ([0x05, 0xc0, 0xff], 5), ([0x00, 0x00, 0x00], 86400), ([0xff, 0xff, 0xff], 1),
            ([0x59, 0x59, 0x23], 86399), ([0x00, 0xff, 0xff], 60), ([0x00, 0x00, 0xff], 3600),
        ] as [([UInt8], UInt64)])
    func `the alarm comes when its registers say`(alarm: [UInt8], seconds: UInt64) {
        let fixture = Fixture(86400 * 1000)
        for (register, value) in zip([0x01, 0x03, 0x05] as [UInt8], alarm) { fixture[register] = value }
        fixture[0x0b] = 0x22
        #expect(fixture.time.request == seconds * 1_000_000_000)
        fixture.time.advance(nanoseconds: seconds * 1_000_000_000 - 1)
        fixture.expireTimer()
        #expect(!fixture.line.level)
        fixture.time.advance(nanoseconds: 1)
        fixture.expireTimer()
        #expect(fixture.line.level)
        #expect(fixture[0x0c] == 0xf0)
    }

    @Test func `an alarm at an hour that is none never comes`() {
        let fixture = Fixture(0)
        fixture[0x05] = 0x24
        fixture[0x0b] = 0x22
        #expect(fixture.time.request == nil)
        fixture.time.advance(nanoseconds: 200_000 * 1_000_000_000)
        #expect(fixture[0x0c] == 0x50)
    }

    @Test(
        arguments: [(1, 3_906_250), (2, 7_812_500), (3, 122_070), (6, 976_562), (15, 500_000_000)] as [(UInt8, UInt64)])
    func `the periodic interrupt has the rate asked for`(rate: UInt8, period: UInt64) {
        let fixture = Fixture(100)
        fixture[0x0a] = 0x20 | rate
        fixture[0x0b] = 0x42
        #expect(fixture.time.request == period)
        fixture.time.advance(nanoseconds: period + 1)
        fixture.expireTimer()
        #expect(fixture[0x0c] == 0xc0)
    }

    @Test func `flags come without interrupts, for guests that poll`() {
        let fixture = Fixture(100)
        #expect(fixture[0x0c] == 0)
        fixture.time.advance(nanoseconds: 1_000_000_000)
        #expect(fixture[0x0c] == 0x50)
        #expect(fixture.line.edges == 0)
        #expect(fixture.time.calls == 0)
    }
}

@Suite struct CMOSStateTests {
    private func state() -> CMOSClock.State {
        let fixture = Fixture(leapDay)
        fixture.setAsLinux([0x00, 0x30, 0x12, 0x15, 0x08, 0x47, 0x19])
        fixture[0x40] = 0x99
        return fixture.rtc.state
    }

    @Test func `a restored clock goes on with the host's time`() throws {
        let state = state()
        let time = Clock(WallTime(seconds: leapDay + 3600, nanoseconds: 0))
        let rtc = try CMOSClock(state: state, interrupt: RecordingLine(), timer: time) { time.now }
        #expect(rtc.state == state)
        rtc.set(0, 0x04)
        #expect(rtc.byte(1) == 0x13)
        rtc.set(0, 0x40)
        #expect(rtc.byte(1) == 0x99)
    }

    @Test(
        arguments: [
            { $0.index = 0x80 }, { $0.memory.removeLast() }, { $0.memory = [] }, { $0.controlA = 0x80 },
            { $0.flags = 0x80 }, { $0.flags = 0x01 }, { $0.offsetNanoseconds = 1_000_000_000 },
            { $0.offsetNanoseconds = .max },
        ] as [@Sendable (inout CMOSClock.State) -> Void])
    func `a state that no clock can be in is refused`(damage: @Sendable (inout CMOSClock.State) -> Void) {
        var state = state()
        damage(&state)
        let time = Clock(WallTime(seconds: 0))
        #expect(throws: DeviceStateError.self) {
            try CMOSClock(state: state, interrupt: RecordingLine(), timer: time) { time.now }
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `no sequence of accesses, times and states breaks it`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            var state = state()
            state.memory = (0..<128).map { _ in .random(in: 0...255, using: &generator) }
            state.controlA = .random(in: 0...0x7f, using: &generator)
            state.controlB = .random(in: 0...255, using: &generator)
            state.flags = .random(in: 0...7, using: &generator) << 4
            state.offsetSeconds =
                [.min, .max, 0, .random(in: .min ... .max, using: &generator)]
                .randomElement(using: &generator) ?? 0
            state.offsetNanoseconds = .random(in: 0..<1_000_000_000, using: &generator)
            let time = Clock(WallTime(seconds: 0))
            let line = RecordingLine()
            let rtc = try CMOSClock(state: state, interrupt: line, timer: time) { time.now }
            for _ in 0..<300 {
                let choices: [Int64] = [.min, .max, .random(in: .min ... .max, using: &generator), 1_700_000_000]
                let seconds = choices.randomElement(using: &generator) ?? 0
                time.set(WallTime(seconds: seconds, nanoseconds: .random(in: 0..<1_000_000_000, using: &generator)))
                let width = [1, 2, 4].randomElement(using: &generator) ?? 1
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: _ = rtc.read(offset: .random(in: 0...1, using: &generator), width: width)
                case 1: rtc.timerExpired()
                default:
                    rtc.set(0, .random(in: 0...255, using: &generator) & 0x3f)
                    rtc.write(
                        offset: .random(in: 0...1, using: &generator), width: width,
                        value: .random(in: 0 ... .max, using: &generator))
                }
            }
            #expect(line.repeats == 0)
        }
    }
}
