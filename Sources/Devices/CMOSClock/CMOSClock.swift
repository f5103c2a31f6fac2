import Synchronization

/// An MC146818 real-time clock with 128 bytes of memory: registered at ports 0x70 (index) and 0x71 (data), interrupt
/// line 8.
///
/// It shows UTC, from the host's clock plus what the guest set. A read of the seconds or of register A takes a snapshot
/// that reads of the other fields see for a second, so that a slow guest never reads half of one minute and half of the
/// next. An update is announced for the last 244 µs of a second, and takes no time. The day of the week follows from
/// the date; daylight saving and the square wave output have no effect.
package final class CMOSClock: BytePortDevice {
    private struct Core {
        var registers: CMOSRegisters
        var interruptLevel = false
        var isScheduled = false
    }

    private let core: Mutex<Core>
    private let interrupt: any InterruptLine
    private let timer: any DeviceTimer
    private let now: @Sendable () -> WallTime

    /// A clock as firmware leaves it.
    /// - Parameters:
    ///   - timer: its owner calls `timerExpired()`.
    ///   - now: the host's time of day.
    package convenience init(
        interrupt: any InterruptLine, timer: any DeviceTimer, now: @escaping @Sendable () -> WallTime
    ) {
        self.init(registers: CMOSRegisters(), interrupt: interrupt, timer: timer, now: now)
    }

    init(
        registers: CMOSRegisters, interrupt: any InterruptLine, timer: any DeviceTimer,
        now: @escaping @Sendable () -> WallTime
    ) {
        core = Mutex(Core(registers: registers))
        self.interrupt = interrupt
        self.timer = timer
        self.now = now
        let time = now()
        core.withLock { update(&$0, time) }
    }

    /// The registers, for saving.
    var registers: CMOSRegisters { core.withLock { $0.registers } }

    package func read(offset: UInt16) -> UInt8 {
        guard offset == 1 else { return 0xff }
        let time = now()
        return core.withLock { core in
            core.registers.evaluate(now: time)
            let value = core.registers.read(now: time)
            update(&core, time)
            return value
        }
    }

    package func write(offset: UInt16, value: UInt8) {
        let time = now()
        core.withLock { core in
            if offset == 0 {
                core.registers.index = value & 0x7f
            } else {
                core.registers.evaluate(now: time)
                core.registers.write(value, now: time)
                update(&core, time)
            }
        }
    }

    /// The time asked of the timer has come.
    package func timerExpired() {
        let time = now()
        core.withLock { core in
            core.isScheduled = false
            update(&core, time)
        }
    }

    private func update(_ core: inout Core, _ time: WallTime) {
        core.registers.evaluate(now: time)
        let level = core.registers.interruptLevel
        if level != core.interruptLevel {
            core.interruptLevel = level
            interrupt.set(level)
        }
        let next = core.registers.nextInterrupt(now: time)
        if next != nil || core.isScheduled {
            core.isScheduled = next != nil
            timer.schedule(after: next)
        }
    }
}
